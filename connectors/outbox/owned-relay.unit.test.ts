import { expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import type { CaptureOwner } from '../replication/capture-owner.ts';
import { createOwnedRelay, OWNER_LOOK_MS } from './owned-relay.ts';

const soft = () => new AbortController().signal;

function owned(first: CaptureOwner | Error) {
  const clock = new ManualClock();
  const history: string[] = [];
  const warnings: string[] = [];
  const database = { owner: first };
  const slot = { error: undefined as ClassifiedError | undefined, held: true as boolean | Error };
  const relay = createOwnedRelay({
    domain: 'image',
    clock,
    logger: { ...SILENT_LOGGER, warn: (_, message) => void warnings.push(message) },
    readOwner: async () => {
      if (database.owner instanceof Error) throw database.owner;
      return database.owner;
    },
    isSlotHeld: async () => {
      if (slot.held instanceof Error) throw slot.held;
      return slot.held;
    },
    createRelay: () => ({
      name: 'inner',
      start: async () => {
        if (slot.error !== undefined) throw slot.error;
        history.push('started');
      },
      stop: async () => void history.push('stopped'),
      health: () => [{ name: 'relay.image', status: 'ok', facts: { state: 'streaming' } }],
    }),
  });
  return { clock, history, warnings, database, slot, relay, state: () => relay.health()[0]?.facts?.['state'] };
}

it('reads from the slot while it is the relay’s, lets go when it is not, and begins again when it comes back', async () => {
  const { clock, history, database, relay, state } = owned('relay');
  await relay.start(soft());
  expect(history).toEqual(['started']);
  database.owner = 'debezium';
  await clock.advance(OWNER_LOOK_MS);
  expect(history).toEqual(['started', 'stopped']);
  expect(state()).toBe('handed over to Debezium');
  await clock.advance(10 * OWNER_LOOK_MS);
  expect(history).toHaveLength(2);
  database.owner = 'relay';
  await clock.advance(OWNER_LOOK_MS);
  expect(history).toEqual(['started', 'stopped', 'started']);
  await relay.stop(soft());
  await relay.stop(soft());
  expect(state()).toBe('streaming');
});

it('says at its start that the configuration contradicts the owner of the slot, and which setting settles it', async () => {
  const late = owned('debezium');
  await late.relay.start(soft());
  expect(late.warnings).toEqual([
    expect.stringMatching(/Set CAPTURE_IMAGE=debezium, or take it back: `millrace slot handover --domain image --to relay`/),
  ]);
  await late.relay.stop(soft());
  const right = owned('relay');
  await right.relay.start(soft());
  right.database.owner = 'debezium';
  await right.clock.advance(OWNER_LOOK_MS);
  // A handover while it runs is no contradiction: nobody can change the configuration of a process that runs.
  expect(right.warnings).toEqual([]);
  await right.relay.stop(soft());
});

it('never begins before it knows whose the slot is', async () => {
  const { clock, history, database, relay } = owned(new Error('the database is away'));
  await relay.start(soft());
  await clock.advance(3 * OWNER_LOOK_MS);
  expect(history).toEqual([]);
  expect(relay.health()[0]).toMatchObject({ status: 'degraded' });
  database.owner = 'debezium';
  await clock.advance(OWNER_LOOK_MS);
  expect(history).toEqual([]);
  await relay.stop(soft());
});

it('says that nobody captures while Debezium is to and does not', async () => {
  const { clock, slot, relay, state } = owned('debezium');
  const status = () => relay.health()[0]?.status;
  await relay.start(soft());
  expect(status()).toBe('ok');
  slot.held = false;
  await clock.advance(OWNER_LOOK_MS);
  expect(relay.health()[0]).toMatchObject({
    status: 'degraded',
    detail: expect.stringContaining('slot handover --domain image') as string,
  });
  expect(state()).toBe('handed over to Debezium');
  slot.held = new Error('the database is away');
  await clock.advance(OWNER_LOOK_MS);
  expect(status()).toBe('ok');
  slot.held = true;
  await clock.advance(OWNER_LOOK_MS);
  expect(status()).toBe('ok');
  await relay.stop(soft());
});

it('goes on as it was while the owner cannot be told', async () => {
  const { clock, history, database, relay } = owned('relay');
  await relay.start(soft());
  database.owner = new Error('the database is away');
  await clock.advance(5 * OWNER_LOOK_MS);
  expect(history).toEqual(['started']);
  await relay.stop(soft());
});

it('refuses to start as the relay does, and says in health why it could not begin later', async () => {
  const { clock, history, database, slot, relay } = owned('relay');
  slot.error = new ClassifiedError('SLOT_MISSING', 'there is no slot');
  await expect(relay.start(soft())).rejects.toMatchObject({ code: 'SLOT_MISSING' });
  const late = owned('debezium');
  await late.relay.start(soft());
  late.slot.error = slot.error;
  late.database.owner = 'relay';
  await late.clock.advance(OWNER_LOOK_MS);
  expect(late.relay.health()[0]).toMatchObject({ status: 'down', detail: expect.stringMatching(/SLOT_MISSING/) as string });
  late.slot.error = undefined;
  await late.clock.advance(OWNER_LOOK_MS);
  expect(late.history).toEqual(['started']);
  await late.relay.stop(soft());
  await relay.stop(soft());
  expect([history, database.owner, clock.monotonicMs()]).toEqual([[], 'relay', 0]);
});
