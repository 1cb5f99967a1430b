/**
 * What handling a record may need beside the log, and what may be away without any record being to blame. `parking`: room for
 * another key that waits. `service`: a called service that nobody named.
 */
export type Dependency =
  | 'postgres'
  | 'kafka'
  | 'parking'
  | 'registry'
  | 'redis'
  | 'elasticsearch'
  | 'classifier'
  | 'assistant'
  | 'notifier'
  | 'image-processor'
  | 'service';
