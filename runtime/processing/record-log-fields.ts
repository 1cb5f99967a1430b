import { ClassifiedError } from '../../core/errors.ts';
import type { LogFields } from '../../core/log.ts';
import type { RecordInHand } from './record-in-hand.ts';

/** Ids and positions of a record: never its key, its headers' unknown content or its value. */
export function recordLogFields({ record, envelope, attempt }: RecordInHand): LogFields {
  const position = { 'kafka.topic': record.topic, 'kafka.partition': record.partition, 'kafka.offset': record.offset, attempt };
  if (envelope instanceof ClassifiedError) return position;
  return {
    ...position,
    'trace.id': envelope.traceId,
    'event.id': envelope.id,
    'event.type': envelope.type,
    'stream.id': envelope.streamId,
    'stream.version': envelope.version,
  };
}
