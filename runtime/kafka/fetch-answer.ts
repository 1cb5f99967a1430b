import { crc32c } from '@node-rs/crc32';
import { ClassifiedError } from '../../core/errors.ts';
import { RECORD_BATCH_HEAD_BYTES } from '../../core/record-batch.ts';
import type { Offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';
import { AbortedTransactions } from './aborted-transactions.ts';
import { kafkaErrorName } from './kafkajs-errors.ts';
import { DamagedBatch, LogRecord, nothingTo, type LogBatch } from './log-record.ts';
import { CRC_COVERS_FROM, HEAD, LENGTH_COVERS_FROM, MAGIC } from './record-batch-head.ts';
import { VarintCursor } from './varint-cursor.ts';

/** The version of the Fetch API whose answers are read here: what kafkajs speaks with every broker since Kafka 2.3. */
export const FETCH_VERSION = 11;

const COMPRESSION = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
/** Of before Kafka 0.11; the place of the number is the same. */
const OLDER_MAGICS: ReadonlySet<number> = new Set([0, 1]);

export interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: string;
  readonly lastStableOffset: string;
  readonly lastStartOffset: string;
  /** Always none: what they hold is left out here already (see AbortedTransactions). */
  readonly abortedTransactions: readonly never[];
  readonly preferredReadReplica: number;
  /** What is not for readers stands for itself as control records, so that who reads gets on behind it. */
  readonly messages: readonly LogRecord[];
}

/** As kafkajs wants it. */
export interface FetchAnswer {
  readonly throttleTime: number;
  readonly clientSideThrottleTime: number;
  readonly errorCode: number;
  readonly sessionId: number;
  readonly responses: readonly { readonly topicName: string; readonly partitions: readonly FetchedPartition[] }[];
}

/** A batch that is laid out differently: whoever knows it must read the answer. */
export class OlderFormat extends Error {}

/** Makes compressed records readable. @throws for a codec that is not there. */
export type Decompress = (attributes: number, records: Buffer) => Promise<Buffer>;

/**
 * Reads the answer to a Fetch request of version 11. The records stay in its bytes (see LogRecord). Unlike kafkajs's own
 * reader it checks each batch against its checksum: what a disk or a network has changed is refused and never handled. That stops its
 * partition and no other: what is before it is there, and where it is the first a DamagedBatch is in its place.
 *
 * The last batch may be cut off where the answer was full; it is left out, and fetched again.
 *
 * Source: Kafka documentation, "Fetch API" and "Record Batch"; `org.apache.kafka.common.record.DefaultRecord`.
 * @throws OlderFormat for a batch of before version 2 (Kafka 0.11); kafkajs's error for a codec that is not there.
 */
export async function readFetchAnswer(bytes: Buffer, decompress: Decompress): Promise<FetchAnswer> {
  const reader = new AnswerReader(bytes);
  const clientSideThrottleTime = reader.int32();
  const errorCode = reader.int16();
  const sessionId = reader.int32();
  const responses: FetchAnswer['responses'][number][] = [];
  for (let topics = reader.int32(); topics > 0; topics -= 1) {
    const topicName = reader.text();
    const partitions: FetchedPartition[] = [];
    for (let left = reader.int32(); left > 0; left -= 1) partitions.push(await readPartition(reader, topicName, decompress));
    responses.push({ topicName, partitions });
  }
  // The broker has not waited for a quota, the client is to.
  return { throttleTime: 0, clientSideThrottleTime, errorCode, sessionId, responses };
}

async function readPartition(reader: AnswerReader, topic: string, decompress: Decompress): Promise<FetchedPartition> {
  const partition = reader.int32();
  const head = {
    partition,
    errorCode: reader.int16(),
    highWatermark: reader.int64().toString(),
    lastStableOffset: reader.int64().toString(),
    lastStartOffset: reader.int64().toString(),
  };
  const aborted = abortedTransactions(reader);
  const preferredReadReplica = reader.int32();
  const messages = await readBatches(reader.sized(), { topic, partition }, aborted, decompress);
  return { ...head, abortedTransactions: [], preferredReadReplica, messages };
}

function abortedTransactions(reader: AnswerReader): AbortedTransactions {
  const aborted: { producerId: string; firstOffset: bigint }[] = [];
  for (let left = reader.int32(); left > 0; left -= 1) aborted.push({ producerId: reader.int64().toString(), firstOffset: reader.int64() });
  return new AbortedTransactions(aborted);
}

async function readBatches(
  records: Buffer,
  where: TopicPartition,
  aborted: AbortedTransactions,
  decompress: Decompress,
): Promise<LogRecord[]> {
  const messages: LogRecord[] = [];
  for (let at = 0; records.length - at > HEAD.magic;) {
    if (OLDER_MAGICS.has(records.readInt8(at + HEAD.magic))) throw new OlderFormat();
    const end = batchEnd(records, at);
    if (end > records.length) break;
    const batch = await readBatch(records.subarray(at, end), where, aborted, decompress);
    if (batch instanceof DamagedBatch) {
      if (messages.length === 0) messages.push(batch);
      break;
    }
    for (const message of batch) messages.push(message);
    at = end;
  }
  return messages;
}

/** Where the next one begins; behind the end of the records when it is cut off. What claims to be shorter than its head is read as its head. */
function batchEnd(records: Buffer, at: number): number {
  if (records.length - at < RECORD_BATCH_HEAD_BYTES) return Number.POSITIVE_INFINITY;
  return at + Math.max(RECORD_BATCH_HEAD_BYTES, LENGTH_COVERS_FROM + records.readInt32BE(at + HEAD.batchLength));
}

async function readBatch(
  batch: Buffer,
  where: TopicPartition,
  aborted: AbortedTransactions,
  decompress: Decompress,
): Promise<LogRecord[] | DamagedBatch> {
  if (batch.readInt8(HEAD.magic) !== MAGIC) return damaged(where, undefined, 'its format is none that there is');
  const baseOffset = batch.readBigInt64BE(HEAD.baseOffset) as Offset;
  if (batch.readUInt32BE(HEAD.crc) !== crc32c(batch.subarray(CRC_COVERS_FROM))) {
    return damaged(where, baseOffset, 'its checksum is another one');
  }
  const attributes = batch.readInt16BE(HEAD.attributes);
  const bytes = await unpacked(attributes, batch.subarray(RECORD_BATCH_HEAD_BYTES), decompress);
  if (bytes === undefined) return damaged(where, baseOffset, 'it cannot be decompressed');
  const common: LogBatch = {
    ...where,
    bytes,
    baseTimestampMs: Number(batch.readBigInt64BE(HEAD.baseTimestamp)),
    appendedAtMs: (attributes & LOG_APPEND_TIME) === 0 ? undefined : Number(batch.readBigInt64BE(HEAD.maxTimestamp)),
    producerId: batch.readBigInt64BE(HEAD.producerId).toString(),
    inTransaction: (attributes & TRANSACTIONAL) !== 0,
    isControlBatch: (attributes & CONTROL) !== 0,
  };
  const records = readRecords(common, baseOffset, batch.readInt32BE(HEAD.recordCount));
  if (records === undefined) return damaged(where, baseOffset, 'its lengths do not fit');
  const lastOffset = (baseOffset + BigInt(batch.readInt32BE(HEAD.lastOffsetDelta))) as Offset;
  const visible = aborted.holds(common, lastOffset, records[0]) ? [] : records;
  // Compaction may have left nothing of a batch, or not its last record; kafkajs would ask for it for ever, or once for each that is gone.
  if ((visible.at(-1)?.offset ?? -1n) < lastOffset) visible.push(nothingTo(common, lastOffset));
  return visible;
}

/** Undefined when that is not possible. @throws kafkajs's error for a codec that is not there. */
async function unpacked(attributes: number, packed: Buffer, decompress: Decompress): Promise<Buffer | undefined> {
  if ((attributes & COMPRESSION) === 0 || packed.length === 0) return packed;
  try {
    return await decompress(attributes, packed);
  } catch (thrown) {
    if (kafkaErrorName(thrown) !== undefined) throw thrown;
    return undefined;
  }
}

function damaged(where: TopicPartition, baseOffset: Offset | undefined, what: string): DamagedBatch {
  const from = baseOffset === undefined ? '' : `, from offset ${baseOffset}`;
  const message = `the record batch of ${where.topic}, partition ${where.partition}${from} is damaged: ${what}`;
  return new DamagedBatch(where, new ClassifiedError('KAFKA_UNAVAILABLE', message));
}

/** The records of a batch. Undefined when their lengths lead out of the bytes. */
export function readRecords(batch: LogBatch, baseOffset: Offset, count: number): LogRecord[] | undefined {
  const cursor = new VarintCursor(batch.bytes, 0);
  const records: LogRecord[] = [];
  for (let left = count; left > 0; left -= 1) {
    const length = cursor.varint();
    const end = cursor.at + length;
    // The attributes of a record are not used.
    cursor.at += 1;
    const timestampDelta = cursor.varlong();
    const offset = (baseOffset + BigInt(cursor.varint())) as Offset;
    const keyLength = cursor.varint();
    const keyAt = cursor.at;
    cursor.at += Math.max(0, keyLength);
    const valueLength = cursor.varint();
    const valueAt = cursor.at;
    const headersAt = valueAt + Math.max(0, valueLength);
    // Of the headers there is their number, at least.
    if (length < 0 || headersAt >= end || end > batch.bytes.length) return undefined;
    records.push(new LogRecord(batch, offset, { timestampDelta, keyAt, keyLength, valueAt, valueLength, headersAt, end }));
    cursor.at = end;
  }
  return records;
}

class AnswerReader {
  private readonly bytes: Buffer;
  private at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  int16(): number {
    this.at += 2;
    return this.bytes.readInt16BE(this.at - 2);
  }

  int32(): number {
    this.at += 4;
    return this.bytes.readInt32BE(this.at - 4);
  }

  int64(): bigint {
    this.at += 8;
    return this.bytes.readBigInt64BE(this.at - 8);
  }

  text(): string {
    const length = this.int16();
    this.at += length;
    return this.bytes.toString('utf8', this.at - length, this.at);
  }

  /** Nothing, where the length says null. */
  sized(): Buffer {
    const length = Math.max(0, this.int32());
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}
