import { ClassifiedError } from './errors.ts';
import type { LogReader, LogSlice } from './log-reader.ts';
import type { Offset } from './offset.ts';
import type { TopicPartition } from './record.ts';

/**
 * Every slice from there up to `end`, an end that was there a moment ago. Whoever reads a log to know what it does not hold must
 * not take a broker that falls silent for its end.
 * @throws ClassifiedError KAFKA_UNAVAILABLE when nothing more comes below the end.
 */
export async function* slicesUpTo(reader: LogReader, where: TopicPartition, from: Offset, end: Offset): AsyncGenerator<LogSlice> {
  for (let at = from; at < end;) {
    const slice = await reader.read(where, at);
    if (slice.next <= at) {
      throw new ClassifiedError(
        'KAFKA_UNAVAILABLE',
        `${where.topic}, partition ${where.partition}, could be read up to ${at} of ${end} only`,
      );
    }
    yield slice;
    at = slice.next;
  }
}
