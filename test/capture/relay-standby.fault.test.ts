import { setTimeout as after } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { services } from '../support/services.ts';
import { LONG } from '../support/long.ts';
import { CaptureUnderFault } from './capture-under-fault.ts';
import type { RelayProcess } from './relay-process.ts';

/** Short: the server lets go of a frozen relay after 2 s. Long: the length that is asked for. */
const FROZEN = LONG ? { forMs: 30_000, walSenderTimeout: '10s' } : { forMs: 3_000, walSenderTimeout: '2s' };

describe('two relays on one slot', () => {
  let capture: CaptureUnderFault;

  beforeEach(async () => {
    capture = await CaptureUnderFault.open('standby', services());
  });
  afterEach(async () => {
    await capture.close();
  });

  const stateOf = async (relay: RelayProcess): Promise<unknown> => (await relay.health()).report.facts?.['state'];

  it('one works and one waits, and the one that waits takes over when the other is killed', async () => {
    const first = await capture.startedRelay();
    const second = await capture.startedRelay();
    expect(await stateOf(second)).toBe('waiting');
    expect((await second.health()).report).toMatchObject({ status: 'degraded', detail: expect.stringContaining('SLOT_IN_USE') });
    capture.workload().start();
    await capture.moves();
    await first.kill();
    const recovery = await capture.recovery();
    // All may have been published before the kill: the takeover shows later then.
    await eventually(async () => (await stateOf(second)) === 'streaming', { timeoutMs: 20_000 });
    await capture.verify('killed, a standby took over', recovery);
  });

  it('a relay that was frozen while the other took over changes nothing but the number of duplicates', async () => {
    const { forMs, walSenderTimeout } = FROZEN;
    const zombie = await capture.startedRelay({ walSenderTimeout });
    const heir = await capture.startedRelay({ walSenderTimeout });
    capture.workload().start();
    await capture.moves();
    // Its last words are on their way when it is frozen, and arrive when somebody else has long said the same.
    capture.kafka.holdRequests();
    await capture.moreRows(20);
    zombie.signal('SIGSTOP');
    const takeOver = capture.recovery();
    await Promise.all([takeOver, after(forMs)]);
    expect(await stateOf(heir)).toBe('streaming');

    const confirmed = await capture.confirmedLsn();
    capture.kafka.releaseRequests();
    zombie.signal('SIGCONT');
    await eventually(async () => (await stateOf(zombie)) === 'waiting', { timeoutMs: 20_000 });
    await capture.moves();
    expect(await capture.confirmedLsn()).toBeGreaterThanOrEqual(confirmed);
    const verdict = await capture.verify('frozen, a standby took over, awake again', await takeOver);
    expect(verdict.duplicates).toBeGreaterThan(0);
  });
});
