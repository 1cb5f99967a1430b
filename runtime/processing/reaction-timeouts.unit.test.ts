import { describe, expect, it } from 'vitest';
import type { ProcessorDefinition, Reaction } from '../../core/define.ts';
import { reactionTimeouts } from './reaction-timeouts.ts';

const reaction = (on: string, facts: Partial<Reaction> = {}): Reaction => ({
  on,
  aggregate: { type: 'thing', initial: () => ({}), evolve: (state) => state, tables: () => [] },
  aggregateId: () => 'thing-1',
  idempotencyKey: ({ id }) => id,
  decide: () => ({ events: [] }),
  ...facts,
});
const call = (name: 'classify' | 'notify', timeoutMs: number): Pick<Reaction, 'call'> => ({
  call: { name, timeoutMs, request: () => undefined },
});

describe('the deadline of an attempt', () => {
  const processor: ProcessorDefinition = {
    domain: 'test',
    reactions: [
      reaction('Plain'),
      reaction('Calling', call('classify', 7_000)),
      reaction('Telling', call('notify', 1_000)),
      reaction('Locking', { lock: () => 'user-1' }),
    ],
  };
  const limits = {
    stepTimeoutMs: 5_000,
    lockTimeoutMs: 30_000,
    concurrencyMax: 64,
    callConcurrencyMax: { classify: 16, notify: 64, answer: 1, processImage: 16 },
  };

  it('is that of its own reaction: longer for a call, by as many rounds as all keys calling at once need, and for a lock', () => {
    expect([...reactionTimeouts(processor, limits)]).toEqual([
      ['Plain', 5_000],
      ['Calling', 4 * 7_000 + 5_000],
      ['Telling', 6_000],
      ['Locking', 35_000],
    ]);
  });
});
