import { recordBytes, type ProducerRecord } from '../../core/record.ts';

/** Below Kafka's default `max.message.bytes` (1 MiB), which limits a whole batch of one partition and not only one record. */
export const CHUNK_BYTES_MAX = 900_000;
/** The client groups records in quadratic time. */
export const CHUNK_RECORDS_MAX = 2_000;
/** An estimate from above of what the record's framing adds: lengths, offsets, timestamp, and lengths per header. */
const RECORD_OVERHEAD_BYTES = 24;
const HEADER_OVERHEAD_BYTES = 6;

/** Cuts records into consecutive runs, each small enough to be one batch of one partition. A record that is too large stands alone. */
export function sendChunks(records: readonly ProducerRecord[]): ProducerRecord[][] {
  const chunks: ProducerRecord[][] = [];
  let chunk: ProducerRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = recordBytes(record) + RECORD_OVERHEAD_BYTES + record.headers.length * HEADER_OVERHEAD_BYTES;
    if (chunk.length > 0 && (bytes + size > CHUNK_BYTES_MAX || chunk.length >= CHUNK_RECORDS_MAX)) {
      chunks.push(chunk);
      [chunk, bytes] = [[], 0];
    }
    chunk.push(record);
    bytes += size;
  }
  if (chunk.length > 0) chunks.push(chunk);
  return chunks;
}
