import { crc32c } from '@node-rs/crc32';
import { RECORD_BATCH_HEAD_BYTES, type RecordBatch } from '../../core/record-batch.ts';

/** Where the fields of the head are; what is not here is derived. Source: see core/record-batch.ts. */
export const HEAD = {
  baseOffset: 0,
  batchLength: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
} as const;

/** The batch length counts what follows it, and the checksum covers what follows it. */
export const LENGTH_COVERS_FROM = HEAD.partitionLeaderEpoch;
export const CRC_COVERS_FROM = HEAD.attributes;

export const MAGIC = 2;

/** By these the broker knows a batch that it has already. */
export interface BatchStamp {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

/** Fills in the head that the caller left free. Doing it again with the same stamp writes the same bytes. */
export function completeRecordBatch(batch: RecordBatch, stamp: BatchStamp): void {
  const { bytes } = batch;
  const view = new DataView(bytes.buffer, bytes.byteOffset, RECORD_BATCH_HEAD_BYTES);
  // The broker gives out offsets and leader epochs.
  view.setBigInt64(HEAD.baseOffset, 0n);
  view.setInt32(HEAD.batchLength, bytes.length - LENGTH_COVERS_FROM);
  view.setInt32(HEAD.partitionLeaderEpoch, -1);
  view.setInt8(HEAD.magic, MAGIC);
  // Not compressed, timestamps of the producer, no transaction.
  view.setInt16(HEAD.attributes, 0);
  view.setInt32(HEAD.lastOffsetDelta, batch.recordCount - 1);
  view.setBigInt64(HEAD.baseTimestamp, BigInt(batch.baseTimestampMs));
  view.setBigInt64(HEAD.maxTimestamp, BigInt(batch.maxTimestampMs));
  view.setBigInt64(HEAD.producerId, stamp.producerId);
  view.setInt16(HEAD.producerEpoch, stamp.producerEpoch);
  view.setInt32(HEAD.baseSequence, stamp.baseSequence);
  view.setInt32(HEAD.recordCount, batch.recordCount);
  view.setUint32(HEAD.crc, crc32c(bytes.subarray(CRC_COVERS_FROM)));
}
