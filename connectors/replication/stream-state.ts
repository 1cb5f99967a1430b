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

/** It cannot happen in that state. */
const NEVER = undefined;

/** Every event in every state: a new one of either does not compile before it is thought of here. */
const TRANSITIONS: Readonly<Record<StreamState, Readonly<Record<StreamEvent, StreamState | undefined>>>> = {
  stopped: {
    start: 'checking',
    streaming: NEVER,
    'slot-in-use': NEVER,
    'connection-lost': NEVER,
    retry: NEVER,
    'gap-found': NEVER,
    repaired: NEVER,
    drain: NEVER,
    stop: 'stopped',
  },
  checking: {
    start: NEVER,
    streaming: 'streaming',
    'slot-in-use': 'waiting',
    'connection-lost': 'disconnected',
    retry: NEVER,
    'gap-found': 'gap',
    repaired: NEVER,
    drain: 'draining',
    stop: 'stopped',
  },
  streaming: {
    start: NEVER,
    streaming: NEVER,
    'slot-in-use': 'waiting',
    'connection-lost': 'disconnected',
    retry: NEVER,
    'gap-found': 'gap',
    repaired: NEVER,
    drain: 'draining',
    stop: 'stopped',
  },
  waiting: {
    start: NEVER,
    streaming: NEVER,
    'slot-in-use': NEVER,
    'connection-lost': NEVER,
    retry: 'checking',
    'gap-found': NEVER,
    repaired: NEVER,
    drain: 'draining',
    stop: 'stopped',
  },
  disconnected: {
    start: NEVER,
    streaming: NEVER,
    'slot-in-use': NEVER,
    'connection-lost': NEVER,
    retry: 'checking',
    'gap-found': NEVER,
    repaired: NEVER,
    drain: 'draining',
    stop: 'stopped',
  },
  // Whatever happens to the connection now, the stream does not come back.
  draining: {
    start: NEVER,
    streaming: 'draining',
    'slot-in-use': 'draining',
    'connection-lost': 'draining',
    retry: 'draining',
    'gap-found': 'draining',
    repaired: 'draining',
    drain: 'draining',
    stop: 'stopped',
  },
  gap: {
    start: NEVER,
    streaming: NEVER,
    'slot-in-use': NEVER,
    'connection-lost': NEVER,
    retry: NEVER,
    'gap-found': NEVER,
    repaired: 'checking',
    drain: 'draining',
    stop: 'stopped',
  },
};

/** @throws RangeError when the event cannot happen in that state. */
export function nextStreamState(state: StreamState, event: StreamEvent): StreamState {
  const next = TRANSITIONS[state][event];
  if (next === NEVER) throw new RangeError(`a stream that is ${state} cannot meet ${event}`);
  return next;
}
