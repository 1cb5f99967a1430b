import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RelayFailpoint } from '../../connectors/outbox/failpoint.ts';
import { RELAY_FAILPOINTS } from '../../connectors/outbox/failpoint.ts';
import { services } from '../support/services.ts';
import { CaptureUnderFault, LONG } from './capture-under-fault.ts';

/** A place on the way out is passed once, and so is the one on the way in. */
const isOnTheWayOut = (label: RelayFailpoint): boolean => label.startsWith('stop-');
/** These need a refused row, another relay, or a transaction larger than one read of the socket. */
const isElsewhere = (label: RelayFailpoint): boolean => /^(letter-|batch-split|standby-|batch-sealed-mid-)/.test(label);
const VISITS = LONG ? [1, 2, 3, 5, 9] : [1, 3];
const DEATHS = RELAY_FAILPOINTS.filter((at) => !isElsewhere(at)).flatMap((at) =>
  (isOnTheWayOut(at) || at === 'stream-checking' ? [1] : VISITS).map((onVisit) => ({ at, onVisit })),
);

describe('a relay that is killed', () => {
  let capture: CaptureUnderFault;

  beforeEach(async () => {
    capture = await CaptureUnderFault.open('killed', services());
  });
  afterEach(async () => {
    await capture.close();
  });

  it.each(DEATHS)('at $at, visit $onVisit, has lost nothing and mixed up no key', async ({ at, onVisit }) => {
    const workload = capture.workload();
    await workload.writeSome(20);
    // Small batches, so that they end inside of transactions.
    const doomed = capture.relay({ failpoint: { at, onVisit, then: 'die' }, settings: { batchRowsMax: 7 } });
    workload.start();
    if (isOnTheWayOut(at)) {
      await capture.published();
      doomed.askToStop();
    }
    // Any other end, or none, says that the place was never reached.
    expect(await within(30_000, doomed.ended, `never reached ${at} ${onVisit} times`)).toBe('SIGKILL');
    const recovery = capture.recovery();
    await capture.startedRelay({ settings: { batchRowsMax: 7 } });
    await capture.verify(`killed at ${at}, visit ${onVisit}`, await recovery);
  });
});

async function within<T>(ms: number, promise: Promise<T>, otherwise: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(otherwise)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
