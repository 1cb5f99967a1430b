/**
 * Where a stream stands.
 *
 * - `stopped`: not started, or stopped for good.
 * - `checking`: asks the server about slot and publication and begins to stream.
 * - `streaming`: receives.
 * - `waiting`: a warm standby: somebody else holds the slot.
 * - `disconnected`: the connection is lost or could not be made; tried again after a delay, without end.
 * - `draining`: reads no more and waits until what was read is acknowledged.
 * - `gap`: the source, the slot, the publication or the topics are not what they were, so events may be missing: left only
 *   after a repair.
 */
export const STREAM_STATES = ['stopped', 'checking', 'streaming', 'waiting', 'disconnected', 'draining', 'gap'] as const;
export type StreamState = (typeof STREAM_STATES)[number];

export type StreamEvent = 'start' | 'streaming' | 'slot-in-use' | 'connection-lost' | 'retry' | 'gap-found' | 'repaired' | 'drain' | 'stop';

const TRANSITIONS: Readonly<Record<StreamState, Partial<Readonly<Record<StreamEvent, StreamState>>>>> = {
  stopped: { start: 'checking', stop: 'stopped' },
  checking: {
    streaming: 'streaming',
    'slot-in-use': 'waiting',
    'connection-lost': 'disconnected',
    'gap-found': 'gap',
    drain: 'draining',
    stop: 'stopped',
  },
  streaming: {
    'slot-in-use': 'waiting',
    'connection-lost': 'disconnected',
    'gap-found': 'gap',
    drain: 'draining',
    stop: 'stopped',
  },
  waiting: { retry: 'checking', drain: 'draining', stop: 'stopped' },
  disconnected: { retry: 'checking', drain: 'draining', stop: 'stopped' },
  // Whatever happens to the connection now, the stream does not come back.
  draining: {
    streaming: 'draining',
    'slot-in-use': 'draining',
    'connection-lost': 'draining',
    'gap-found': 'draining',
    repaired: 'draining',
    retry: 'draining',
    drain: 'draining',
    stop: 'stopped',
  },
  gap: { repaired: 'checking', drain: 'draining', stop: 'stopped' },
};

/** @throws RangeError when the event cannot happen in that state. */
export function nextStreamState(state: StreamState, event: StreamEvent): StreamState {
  const next = TRANSITIONS[state][event];
  if (next === undefined) throw new RangeError(`a stream that is ${state} cannot meet ${event}`);
  return next;
}
