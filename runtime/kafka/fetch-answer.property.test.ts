import { crc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { createRequire } from 'node:module';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { recordBytes } from '../../core/record.ts';
import { OlderFormat, readFetchAnswer, type FetchAnswer } from './fetch-answer.ts';
import { patchedHeaders } from './kafkajs-headers.ts';
import { consumedRecord } from './kafkajs-records.ts';
import { applyKafkaJsPatches, PATCHED_VERSION } from './kafkajs-patches.ts';

const load = createRequire(import.meta.url);

interface Encoder {
  readonly buffer: Buffer;
  writeInt16(value: number): Encoder;
  writeInt32(value: number): Encoder;
  writeInt64(value: { readonly value: bigint }): Encoder;
  writeString(value: string): Encoder;
  writeBuffer(value: Buffer): Encoder;
}

interface KafkaJsMessage {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer>>;
  readonly isControlRecord: boolean;
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean };
}

/** kafkajs's own writer of batches, and its reader of answers as it comes: the yardstick, which the patch puts aside. */
const Encoder = load('kafkajs/src/protocol/encoder') as new () => Encoder;
const { fromValue } = load('kafkajs/src/utils/long') as { fromValue: (value: number | bigint) => { readonly value: bigint } };
const long = (value: number | bigint) => fromValue.call(load('kafkajs/src/utils/long'), value);
const { RecordBatch } = load('kafkajs/src/protocol/recordBatch/v0') as { RecordBatch: (batch: object) => Promise<Encoder> };
const encodeRecord = load('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => Encoder;
const original = pristine('kafkajs/src/protocol/requests/fetch/v11/response');

function pristine(module: string): {
  decode(bytes: Buffer): Promise<FetchAnswer & { responses: { partitions: { messages: KafkaJsMessage[] }[] }[] }>;
} {
  const at = load.resolve(module);
  const kept = load.cache[at];
  Reflect.deleteProperty(load.cache, at);
  const fresh = load(module) as ReturnType<typeof pristine>;
  if (kept === undefined) Reflect.deleteProperty(load.cache, at);
  else load.cache[at] = kept;
  return fresh;
}

interface TestRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [string, Buffer])[];
  readonly timestampDelta: number;
}

interface TestBatch {
  readonly firstOffset: number;
  readonly firstTimestamp: number;
  readonly transactional: boolean;
  readonly compressed: boolean;
  readonly records: readonly TestRecord[];
}

async function batchBytes({ firstOffset, firstTimestamp, transactional, compressed, records }: TestBatch): Promise<Buffer> {
  const batch = await RecordBatch({
    compression: compressed ? 1 : 0,
    firstOffset: long(firstOffset),
    firstTimestamp,
    maxTimestamp: firstTimestamp + 7,
    lastOffsetDelta: records.length - 1,
    transactional,
    producerId: long(7),
    records: records.map(({ headers, ...record }, offsetDelta) =>
      encodeRecord({ ...record, offsetDelta, headers: patchedHeaders(headers) }),
    ),
  });
  return batch.buffer;
}

function answerBytes(records: Buffer, transactions: readonly (readonly [producerId: number, firstOffset: number])[] = [[8, 40]]): Buffer {
  const head = new Encoder().writeInt32(3).writeInt16(0).writeInt32(0).writeInt32(1).writeString('eco2.topic').writeInt32(1);
  const partition = head.writeInt32(5).writeInt16(0).writeInt64(long(99)).writeInt64(long(98)).writeInt64(long(1));
  let aborted = partition.writeInt32(transactions.length);
  for (const [producerId, firstOffset] of transactions) aborted = aborted.writeInt64(long(producerId)).writeInt64(long(firstOffset));
  return aborted.writeInt32(-1).writeInt32(records.length).writeBuffer(records).buffer;
}

const decompress = async (_attributes: number, bytes: Buffer): Promise<Buffer> => gunzipSync(bytes);
const read = (records: Buffer): Promise<FetchAnswer> => readFetchAnswer(answerBytes(records), decompress);

const bytes = fc.oneof(
  fc.constant(null),
  fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
);
const text = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('user-1', '사용자', '\ufeffuser')).map((value) => Buffer.from(value));
const anyRecord: fc.Arbitrary<TestRecord> = fc.record({
  key: fc.oneof(fc.constant(null), text, bytes),
  value: bytes,
  // kafkajs's own reader keeps neither repeated names nor those that an object has by itself.
  headers: fc.uniqueArray(fc.tuple(fc.constantFrom('id', 'type', 'trace_id', 'é'), text), { selector: ([name]) => name, maxLength: 4 }),
  timestampDelta: fc.oneof(fc.integer({ min: -1_000, max: 1_000 }), fc.integer({ min: -(2 ** 40), max: 2 ** 40 })),
});
const anyBatch: fc.Arbitrary<TestBatch> = fc.record({
  firstOffset: fc.oneof(fc.nat(1_000), fc.constant(2 ** 40)),
  firstTimestamp: fc.constantFrom(0, 1_700_000_000_000),
  transactional: fc.boolean(),
  compressed: fc.boolean(),
  records: fc.array(anyRecord, { minLength: 1, maxLength: 12 }),
});

describe('the answer to a fetch', () => {
  it('is read as kafkajs itself reads it, whatever its batches hold and wherever it is cut off', async () => {
    applyKafkaJsPatches();
    await fc.assert(
      fc.asyncProperty(fc.array(anyBatch, { maxLength: 3 }), fc.nat(80), async (batches, cut) => {
        const whole = Buffer.concat(await Promise.all(batches.map(batchBytes)));
        // Less than the head of a batch ends kafkajs's own reader with an error.
        const answer = answerBytes(whole.subarray(0, Math.max(Math.min(whole.length, 61), whole.length - cut)));
        const [ours, theirs] = [await readFetchAnswer(answer, decompress), await original.decode(answer)];
        const [our, their] = [ours.responses[0]?.partitions[0], theirs.responses[0]?.partitions[0]];
        expect({ ...ours, responses: [] }).toEqual({ ...theirs, responses: [] });
        expect({ ...our, messages: [] }).toEqual({ ...their, messages: [], abortedTransactions: [] });
        expect(our?.messages.map((message) => shown(message))).toEqual(
          their?.messages.map((message) => shown(message as unknown as KafkaJsMessage)),
        );
      }),
    );
  });

  it('has records that know their place, their text and their size without being laid out', async () => {
    const records = await batchBytes({ firstOffset: 41, firstTimestamp: 5, transactional: true, compressed: false, records: [RECORD] });
    const [record] = (await read(records)).responses[0]?.partitions[0]?.messages ?? [];
    expect(record).toMatchObject({
      topic: 'eco2.topic',
      partition: 5,
      offset: 41n,
      timestampMs: 8,
      keyText: 'user-1',
      isControlRecord: false,
    });
    expect(record?.byteLength).toBe(recordBytes({ key: RECORD.key, value: RECORD.value, headers: [] }) + (record?.headerBlock.length ?? 0));
    expect(record?.headers.map(([name, value]) => [name, String(value)])).toEqual([['id', 'x']]);
  });

  it('has in the place of a batch of which a bit has changed what refuses it, with the place and without a part of it', async () => {
    expect(await refusalOf(damagedAt(await plainBatch(41), -3))).toBe(
      'the record batch of eco2.topic, partition 5, from offset 41 is damaged: its checksum is another one',
    );
    expect(await refusalOf(damagedAt(await plainBatch(41), 16))).toContain('partition 5 is damaged: its format is none that there is');
    const short = await plainBatch(41);
    short.writeInt32BE(-12, 8);
    expect(await refusalOf(short)).toContain('from offset 41 is damaged');
  });

  it('has what is before a damaged batch, and nothing that is behind it', async () => {
    const damaged = damagedAt(await plainBatch(42), -3);
    expect(await offsetsIn(await read(Buffer.concat([await plainBatch(41), damaged, await plainBatch(43)])))).toEqual([41n]);
  });

  it('has in the place of a batch that cannot be decompressed what refuses it, and asks for a codec that is not there', async () => {
    const packed = await batchBytes({ firstOffset: 41, firstTimestamp: 5, transactional: false, compressed: true, records: [RECORD] });
    const broken = readFetchAnswer(answerBytes(packed), async () => Promise.reject(new RangeError('lz4: no frame')));
    expect(refusalIn(await broken)).toContain('from offset 41 is damaged: it cannot be decompressed');
    const unknown = Object.assign(new Error('ZSTD compression not implemented'), { name: 'KafkaJSNotImplemented' });
    await expect(readFetchAnswer(answerBytes(packed), async () => Promise.reject(unknown))).rejects.toBe(unknown);
  });

  it('has in the place of a batch whose lengths lead out of it what refuses it, although its checksum is right', async () => {
    const record = encodeRecord({ ...RECORD, offsetDelta: 0, timestampDelta: 0, headers: {} }).buffer;
    // Its key claims to be longer than the record.
    record.writeUInt8(126, 4);
    const batch = await RecordBatch({
      firstOffset: long(41),
      firstTimestamp: 5,
      maxTimestamp: 5,
      records: [new Encoder().writeBuffer(record)],
    });
    expect(await refusalOf(batch.buffer)).toContain('from offset 41 is damaged: its lengths do not fit');
  });

  it('takes kafkajs behind what compaction has left empty, and shows nothing for it', async () => {
    const whole = await plainBatch(41);
    const emptied = whole.subarray(0, 61);
    emptied.writeInt32BE(49, 8);
    emptied.writeInt32BE(4, 23);
    emptied.writeInt32BE(0, 57);
    emptied.writeUInt32BE(crc32c(emptied.subarray(21)), 17);
    const batch = await taken(41, emptied);
    expect([batch.messages, String(batch.lastOffset()), batch.isEmptyDueToFiltering()]).toEqual([[], '45', true]);
    const tail = await plainBatch(41);
    tail.writeInt32BE(4, 23);
    tail.writeUInt32BE(crc32c(tail.subarray(21)), 17);
    const rest = await taken(41, tail);
    expect([rest.messages.length, String(rest.lastOffset())]).toEqual([1, '45']);
  });

  it('shows nothing of transactions that were given up, also of those that overlap, and all of the others', async () => {
    const log = [
      await transactional(40, 1),
      await transactional(41, 2),
      await transactional(42, 3),
      await transactional(43, 1),
      await marker(44, 2, 'abort'),
      await marker(45, 1, 'abort'),
      await marker(46, 3, 'commit'),
      await transactional(47, 1),
      await plainBatch(48),
    ];
    // A broker lists them in the order of their ends.
    const batch = await taken(40, Buffer.concat(log), [
      [2, 41],
      [1, 40],
    ]);
    expect(batch.messages.map(({ offset }) => String(offset))).toEqual(['42', '47', '48']);
    // Both have begun before what the answer begins with.
    const late = await taken(43, Buffer.concat([await transactional(43, 2), ...log.slice(4)]), [
      [1, 40],
      [2, 41],
    ]);
    expect(late.messages.map(({ offset }) => String(offset))).toEqual(['47', '48']);
  });

  it('is left to kafkajs when it holds a format of before Kafka 0.11', async () => {
    const records = await batchBytes({ firstOffset: 0, firstTimestamp: 5, transactional: false, compressed: false, records: [RECORD] });
    records.writeUInt8(1, 16);
    await expect(read(records)).rejects.toThrow(OlderFormat);
    // Such a one may be shorter than the head of a batch.
    await expect(read(records.subarray(0, 40))).rejects.toThrow(OlderFormat);
  });

  it('reaches the client that is installed', () => {
    expect(applyKafkaJsPatches()).toMatchObject({ version: PATCHED_VERSION, applied: true });
    expect(load('kafkajs/src/protocol/requests/fetch/v11/response')).not.toBe(original);
  });
});

const RECORD: TestRecord = {
  key: Buffer.from('user-1'),
  value: Buffer.from('value'),
  headers: [['id', Buffer.from('x')]],
  timestampDelta: 3,
};

interface KafkaJsBatch {
  readonly messages: readonly { readonly offset: bigint }[];
  lastOffset(): unknown;
  isEmptyDueToFiltering(): boolean;
}

const Batch = load('kafkajs/src/consumer/batch') as new (topic: string, fetchedOffset: string, partition: unknown) => KafkaJsBatch;

/** What kafkajs makes of it for who reads. */
async function taken(from: number, records: Buffer, transactions: Parameters<typeof answerBytes>[1] = []): Promise<KafkaJsBatch> {
  const answer = await readFetchAnswer(answerBytes(records, transactions), decompress);
  return new Batch('eco2.topic', String(from), answer.responses[0]?.partitions[0]);
}

const plainBatch = (firstOffset: number): Promise<Buffer> =>
  batchBytes({ firstOffset, firstTimestamp: 5, transactional: false, compressed: false, records: [RECORD] });

async function transactional(firstOffset: number, producerId: number, change: (bytes: Buffer) => void = () => undefined): Promise<Buffer> {
  const bytes = await batchBytes({ firstOffset, firstTimestamp: 5, transactional: true, compressed: false, records: [MARKED] });
  bytes.writeBigInt64BE(BigInt(producerId), 43);
  change(bytes);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}

/** The end of a transaction. */
function marker(offset: number, producerId: number, end: 'abort' | 'commit'): Promise<Buffer> {
  return transactional(offset, producerId, (bytes) => {
    bytes.writeInt16BE(0x30, 21);
    if (end === 'commit') bytes.writeUInt8(1, bytes.indexOf(MARKED.key!) + 3);
  });
}

function damagedAt(bytes: Buffer, at: number): Buffer {
  const place = at < 0 ? bytes.length + at : at;
  bytes.writeUInt8(bytes.readUInt8(place) ^ 4, place);
  return bytes;
}

async function offsetsIn(answer: FetchAnswer): Promise<bigint[]> {
  return (answer.responses[0]?.partitions[0]?.messages ?? []).map(({ offset }) => offset);
}

function refusalIn(answer: FetchAnswer): string {
  const messages = answer.responses[0]?.partitions[0]?.messages ?? [];
  expect(messages).toHaveLength(1);
  try {
    consumedRecord({ topic: 'eco2.topic', partition: 5 }, messages[0]!);
  } catch (error) {
    expect(error).toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    // Whatever was asked for, kafkajs does not pass over it.
    expect(new Batch('eco2.topic', '99', answer.responses[0]?.partitions[0]).messages).toHaveLength(1);
    return (error as Error).message;
  }
  return 'handed over';
}

const refusalOf = async (records: Buffer): Promise<string> => refusalIn(await read(records));

/** The key of a control record that says ABORT. */
const MARKED: TestRecord = { key: Buffer.from([0, 0, 0, 0]), value: Buffer.from('value'), headers: [], timestampDelta: 0 };

function shown(
  message: Pick<KafkaJsMessage, 'key' | 'value' | 'timestamp' | 'isControlRecord' | 'batchContext'> & { offset: unknown; headers: unknown },
): unknown {
  const { offset, timestamp, key, value, headers, isControlRecord, batchContext } = message;
  const pairs = Array.isArray(headers) ? (headers as [string, Buffer][]) : Object.entries(headers as Record<string, Buffer>);
  const { producerId, inTransaction } = batchContext;
  return { offset: String(offset), timestamp, key, value, pairs, isControlRecord, producerId, inTransaction };
}
