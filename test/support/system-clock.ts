import { setTimeout as after } from 'node:timers/promises';
import type { Clock } from '../../core/clock.ts';

/** The machine's clock, for tests of stages that may not see the runtime's. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    await after(ms, undefined, signal === undefined ? {} : { signal });
  },
};
