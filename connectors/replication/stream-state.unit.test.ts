import { describe, expect, it } from 'vitest';
import type { StreamEvent, StreamState } from './stream-state.ts';
import { STREAM_STATES, nextStreamState } from './stream-state.ts';

describe('the states of a stream', () => {
  it('go their usual way', () => {
    const events: StreamEvent[] = ['start', 'slot-in-use', 'retry', 'streaming', 'connection-lost', 'retry', 'streaming', 'drain', 'stop'];
    const way: StreamState[] = [];
    for (const event of events) way.push(nextStreamState(way.at(-1) ?? 'stopped', event));
    expect(way).toEqual(['checking', 'waiting', 'checking', 'streaming', 'disconnected', 'checking', 'streaming', 'draining', 'stopped']);
  });

  it('leave a gap by a repair or a stop, and by nothing else', () => {
    for (const event of ['start', 'retry', 'streaming', 'connection-lost'] as const) {
      expect(() => nextStreamState('gap', event)).toThrow(RangeError);
    }
    expect(nextStreamState('gap', 'repaired')).toBe('checking');
    expect(nextStreamState('gap', 'stop')).toBe('stopped');
  });

  it('can all be stopped', () => {
    for (const state of STREAM_STATES) expect(nextStreamState(state, 'stop')).toBe('stopped');
  });

  it('do not come back from draining', () => {
    for (const event of ['streaming', 'connection-lost', 'slot-in-use', 'gap-found', 'retry'] as const) {
      expect(nextStreamState('draining', event)).toBe('draining');
    }
  });
});
