import { gunzipSync } from 'node:zlib';
import { WireReader } from './wire-reader.ts';

/**
 * The values of the header `id` of every record in a partition's record batches (format v2), in order; records without one are
 * left out. Throws for what cannot be read here: other formats, and compression other than gzip.
 *
 * Source: Kafka documentation, section "Record Batch".
 */
export function recordBatchIds(records: Buffer): string[] {
  const ids: string[] = [];
  const batches = new WireReader(records);
  while (batches.left > 0) {
    batches.int64(); // base offset
    readBatch(batches.take(batches.int32()), ids);
  }
  return ids;
}

function readBatch(bytes: Buffer, ids: string[]): void {
  const batch = new WireReader(bytes);
  batch.int32(); // partition leader epoch
  const magic = batch.int8();
  if (magic !== 2) throw new Error(`record format v${magic}`);
  batch.int32(); // CRC-32C: the broker checks it
  const compression = batch.int16() & 7;
  // Last offset delta, two timestamps, producer id and epoch, first sequence number.
  batch.take(4 + 8 + 8 + 8 + 2 + 4);
  const count = batch.int32();
  const rest = batch.take(batch.left);
  if (compression > 1) throw new Error(`compression ${compression}`);
  const records = new WireReader(compression === 1 ? gunzipSync(rest) : rest);
  for (let index = 0; index < count; index += 1) {
    const id = recordId(new WireReader(records.take(records.varint())));
    if (id !== undefined) ids.push(id);
  }
  if (records.left > 0) throw new Error('bytes behind the last record');
}

function recordId(record: WireReader): string | undefined {
  record.int8(); // attributes
  record.varint(); // timestamp delta
  record.varint(); // offset delta
  for (const _ of ['key', 'value']) {
    const length = record.varint();
    if (length > 0) record.take(length);
  }
  let id: string | undefined;
  for (let left = record.varint(); left > 0; left -= 1) {
    const name = record.take(record.varint()).toString('utf8');
    const length = record.varint();
    const value = length < 0 ? undefined : record.take(length).toString('utf8');
    if (name === 'id') id = value;
  }
  return id;
}
