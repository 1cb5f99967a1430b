import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../core/clock.ts';

/** Time stands still and no wait takes longer than a turn of the event loop. */
export const eagerClock: Clock = {
  nowMs: () => Date.UTC(2026, 11, 1),
  monotonicMs: () => 0,
  sleep: async () => {
    await nextTurn();
  },
};
