/** The places of a stream where a death leaves another state behind, for tests that kill it at each. */
export const STREAM_FAILPOINTS = [
  'stream-checking',
  'standby-waiting',
  'keepalive',
  'memory-writing',
  'memory-written',
  'status-flushing',
  'status-written',
  'stop-final-status',
  'stop-confirmed',
] as const;
export type StreamFailpoint = (typeof STREAM_FAILPOINTS)[number];
