import { describe, expect, it } from 'vitest';
import type { Clock } from '../../core/clock.ts';
import type { Dependency } from '../../core/dependency.ts';
import type { LogFields, Logger } from '../../core/log.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { offset } from '../../core/offset.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { ACKED, failedWith, groupUnderTest } from '../../test/support/group-under-test.ts';
import { ManualClock, settle } from '../../test/support/manual-clock.ts';
import { ScriptedConsumer } from '../../test/support/scripted-consumer.ts';
import type { Lookout } from './backlog.ts';
import type { ConsumerGroupOptions } from './consumer-group-options.ts';
import type { EventHandler } from './event-handler.ts';
import { PartitionEpoch } from './partition-epoch.ts';
import type { RecordInHand } from './record-in-hand.ts';
import { StallWatch } from './stall-watch.ts';
import type { StandsFor } from './stall.ts';
import { DEFAULT_STALL } from './stall.ts';

const PARTITION = { topic: 'events.happened', partition: 0 };

/** A log with records from 0 to the end. */
function lookoutOn(log: { end: number }): Lookout {
  return {
    offsets: async () => [{ ...PARTITION, earliest: offset(0n), end: offset(BigInt(log.end)) }],
    committed: async () => [],
    read: async (_partition, from) => {
      const records = Array.from({ length: log.end - Number(from) }, (_, index) => consumedRecord({ at: Number(from) + index }));
      return { records, next: offset(BigInt(log.end)), end: offset(BigInt(log.end)) };
    },
  };
}

/** Gives its partitions back and gets them again, as a member of a group does; delivers only when told to. */
class RestartableConsumer extends ScriptedConsumer {
  override async stop(): Promise<void> {
    await this.callbacks.onRevoking([PARTITION]);
    await super.stop();
  }
}

const CALLS = new Map<string, Dependency>([['Happened', 'classifier']]);
const AWAY = failedWith('CALL_UNAVAILABLE', 'away', { dependency: 'classifier' });

/** Parks its record, and ends each later attempt with the result. */
function parkedThen(result: HandlerResult): EventHandler {
  return async (_event, { attempt }) => (attempt === 1 ? failedWith('HANDLER_FAILED', 'bug') : result);
}

class LineLogger implements Logger {
  readonly lines: { readonly fields: LogFields; readonly message: string }[] = [];
  readonly debug = (): void => undefined;
  readonly info = (fields: LogFields, message: string): void => void this.lines.push({ fields, message });
  readonly warn = this.info;
  readonly error = this.info;
  child(): Logger {
    return this;
  }
}

/** A group over a log, with every consumer that it made. */
async function watchedGroup(log: { end: number }, options: Partial<ConsumerGroupOptions> = {}) {
  const clock = new ManualClock();
  const logger = new LineLogger();
  const first = new RestartableConsumer();
  const made: RestartableConsumer[] = [];
  const consumer = (): RestartableConsumer => {
    const next = made.length === 0 ? first : new RestartableConsumer();
    if (next !== first) next.onStart = async () => next.callbacks.onAssigned([PARTITION]);
    made.push(next);
    return next;
  };
  const { group, fatal } = await groupUnderTest(
    { handler: async () => ACKED, broker: { consumer }, lookout: lookoutOn(log), logger, ...options },
    [PARTITION],
    first,
    clock,
  );
  return { group, fatal, clock, logger, made };
}

/** A watch over one admitted stay, without its group; what it does is listed. */
function watchAlone(log: { end: number }, standsFor: () => StandsFor | undefined = () => undefined, clock: Clock = new ManualClock()) {
  const epoch = new PartitionEpoch<RecordInHand>(PARTITION);
  epoch.admit();
  const done: string[] = [];
  const watch = new StallWatch({
    group: 'reader',
    thresholds: DEFAULT_STALL,
    lookout: lookoutOn(log),
    partitions: () => [epoch],
    standsFor,
    isPaused: () => false,
    renew: async () => void done.push('consumer'),
    onFatal: ({ code }) => done.push(code),
    metrics: NO_METRICS,
    logger: SILENT_LOGGER,
    clock,
  });
  return { epoch, watch, done };
}

describe('the watch over a consumer', () => {
  it('says which partition is not delivered, how it stands, and that it gets on again', async () => {
    const log = { end: 2 };
    const { group, clock, logger, made } = await watchedGroup(log);
    made[0]!.deliver([0, 1].map((at) => consumedRecord({ at })));
    log.end = 5;
    await clock.advance(80_000);
    expect(group.health()).toMatchObject([
      { status: 'degraded', detail: expect.stringContaining('STALLED: events.happened/0') as string, facts: { stalled_partitions: 1 } },
    ]);
    const row = logger.lines.find(({ message }) => message === 'how the partition stands');
    expect(row?.fields).toMatchObject({
      'kafka.topic': 'events.happened',
      'kafka.partition': 0,
      'kafka.offset': 2n,
      end: 5n,
      stands_for: 'nothing',
      records: 0,
      lanes: 0,
      attempts: 0,
      paused: false,
    });
    made[0]!.deliver([2, 3, 4].map((at) => consumedRecord({ at })));
    await clock.advance(20_000);
    expect(group.health()).toMatchObject([{ status: 'ok', facts: { stalled_partitions: 0 } }]);
    expect(logger.lines.at(-1)?.message).toBe('no partition stands still any more');
    expect(made).toHaveLength(1);
  });

  it('makes the consumer anew, and the group goes on where it was', async () => {
    const { group, clock, made, fatal } = await watchedGroup({ end: 4 });
    made[0]!.deliver([0, 1].map((at) => consumedRecord({ at })));
    await clock.advance(140_000);
    expect(made).toHaveLength(2);
    expect(made[0]!.stopped).toBe(true);
    expect(made[0]!.committed(PARTITION)).toBe(2n);
    made[1]!.deliver([2, 3].map((at) => consumedRecord({ at })));
    await clock.advance(400_000);
    expect(made[1]!.committed(PARTITION)).toBe(4n);
    expect(made).toHaveLength(2);
    expect(fatal).toEqual([]);
    expect(group.balance()).toMatchObject({ in: 4, acked: 4, inFlight: 0 });
  });

  it('ends the process when a new consumer delivers nothing either', async () => {
    const { group, clock, made, fatal } = await watchedGroup({ end: 4 });
    await clock.advance(400_000);
    expect(made).toHaveLength(2);
    expect(fatal.map(({ code }) => code)).toEqual(['CONSUMER_STALLED']);
    expect(group.health()).toMatchObject([{ status: 'down' }]);
  });

  it('lets a group be that has nothing to read, or only what it cannot read', async () => {
    const onlyMarkers: Lookout = {
      ...lookoutOn({ end: 4 }),
      read: async () => ({ records: [], next: offset(4n), end: offset(4n) }),
    };
    for (const options of [{}, { lookout: onlyMarkers }]) {
      const { group, clock, made } = await watchedGroup({ end: 0 }, options);
      await clock.advance(400_000);
      expect(group.health()).toMatchObject([{ status: 'ok' }]);
      expect(made).toHaveLength(1);
    }
  });

  it('takes no part while the log cannot be looked at', async () => {
    const lookout: Lookout = { ...lookoutOn({ end: 4 }), offsets: async () => Promise.reject(new Error('away')) };
    const { clock, made, fatal } = await watchedGroup({ end: 4 }, { lookout });
    await clock.advance(400_000);
    expect([made.length, fatal]).toEqual([1, []]);
  });

  it.each<readonly [string, Partial<ConsumerGroupOptions>]>([
    [
      'a handler that takes long, within its deadline',
      { handler: async () => new Promise<HandlerResult>(() => undefined), handlerTimeoutMs: 600_000 },
    ],
    ['an outage', { handler: async () => failedWith('POSTGRES_UNAVAILABLE', 'away') }],
    [
      'a dead-letter topic that is missing',
      { handler: async () => failedWith('DECISION_FAILED', 'bug'), producer: { send: async () => Promise.reject(new Error('no topic')) } },
    ],
    [
      'parking that is refused',
      {
        handler: async () => failedWith('HANDLER_FAILED', 'bug'),
        parked: new Proxy({} as ConsumerGroupOptions['parked'], {
          get: () => async () => Promise.reject(new Error('no database')),
        }),
      },
    ],
    ['a parked retry that waits for a dependency that only some records need', { handler: parkedThen(AWAY), calls: CALLS }],
    [
      'a parked record whose dead-letter topic is missing',
      { handler: parkedThen(failedWith('DECISION_FAILED', 'bug')), producer: { send: async () => Promise.reject(new Error('no topic')) } },
    ],
  ])('does not take %s for a stall of the consumer', async (_what, options) => {
    const { group, clock, made, fatal } = await watchedGroup({ end: 1 }, options);
    made[0]!.deliver([consumedRecord({ at: 0 })]);
    await clock.advance(400_000);
    expect([made.length, fatal]).toEqual([1, []]);
    expect(group.health()[0]?.facts?.['stalled_partitions']).toBe(0);
  });

  it('does not take a partition for stalled that is paused for the parked records it has in hand', async () => {
    const handler: EventHandler = async ({ type }, { attempt }) => {
      if (attempt === 1) return failedWith('HANDLER_FAILED', 'bug');
      return type === 'Stored' ? ACKED : AWAY;
    };
    const types = new Set(['Happened', 'Stored']);
    const options = { handler, calls: CALLS, wanted: types, known: types, limits: { inFlightRecordsMax: 1 } };
    const { group, clock, made, fatal } = await watchedGroup({ end: 5 }, options);
    made[0]!.deliver([0, 1, 2].map((at) => consumedRecord({ at, key: `k${at}`, type: at === 2 ? 'Stored' : 'Happened' })));
    await clock.advance(20_000);
    expect(made[0]!.paused.size).toBe(1);
    await clock.advance(400_000);
    expect([made.length, fatal]).toEqual([1, []]);
    expect(group.health()[0]?.facts?.['stalled_partitions']).toBe(0);
  });

  it('takes a partition for stalled that is delivered nothing and not paused, whatever a parked record of it waits for', async () => {
    const handler: EventHandler = async (_event, { attempt }) => (attempt === 1 ? failedWith('HANDLER_FAILED', 'bug') : AWAY);
    const { clock, made } = await watchedGroup({ end: 5 }, { handler, calls: CALLS });
    made[0]!.deliver([consumedRecord({ at: 0 })]);
    await clock.advance(400_000);
    expect(made.length).toBeGreaterThan(1);
  });

  it.each([
    [1, 'has read all', []],
    [4, 'is not delivered what the log has', ['consumer', 'CONSUMER_STALLED']],
  ])('looks into the log (to %i) for a partition with nothing but a parked record in hand: it %s', async (end, _which, expected) => {
    const { epoch, watch, done } = watchAlone({ end });
    const held = { record: { offset: offset(0n) }, bytes: 10 } as RecordInHand;
    epoch.begin(held);
    epoch.finish(held);
    epoch.reenter(held);
    for (let looks = 0; looks < 21; looks += 1) await watch.look(15_000);
    expect(done).toEqual(expected);
  });

  it('does not forget, while a new stay waits for something before its first record, that its consumer was made anew', async () => {
    let reason: StandsFor | undefined;
    const { watch, done } = watchAlone({ end: 4 }, () => reason);
    for (let looks = 0; looks < 9; looks += 1) await watch.look(15_000);
    expect(done).toEqual(['consumer']);
    reason = 'dependency';
    await watch.look(15_000);
    reason = undefined;
    for (let looks = 0; looks < 12; looks += 1) await watch.look(15_000);
    expect(done).toEqual(['consumer', 'CONSUMER_STALLED']);
  });

  it('does not make consumers for a handler that never ends: its deadline sees to it', async () => {
    let begun = 0;
    const handler = async (): Promise<HandlerResult> => {
      begun += 1;
      return begun === 1 ? new Promise(() => undefined) : ACKED;
    };
    const { clock, made, fatal } = await watchedGroup({ end: 2 }, { handler });
    made[0]!.deliver([0, 1].map((at) => consumedRecord({ at })));
    await clock.advance(1_000_000);
    expect([made.length, fatal]).toEqual([1, []]);
    expect(made[0]!.committed(PARTITION)).toBe(2n);
  });

  it('does not count the time in which the process was frozen', async () => {
    let nowMs = 0;
    let wake: () => void = () => undefined;
    const clock = {
      nowMs: () => nowMs,
      monotonicMs: () => nowMs,
      sleep: async () => new Promise<void>((resolve) => (wake = resolve)),
    };
    const { watch, done } = watchAlone({ end: 4 }, () => undefined, clock);
    const stop = new AbortController();
    const running = watch.run(stop.signal);
    for (const passedMs of [15_000, 15_000, 3_600_000]) {
      nowMs += passedMs;
      wake();
      await settle();
      await settle();
    }
    expect(done).toEqual([]);
    expect(watch.facts).toBeUndefined();
    stop.abort();
    wake();
    await running;
  });
});
