import { describe, expect, it } from 'vitest';
import { CONTENT_TYPE_AVRO, CONTENT_TYPE_JSON, ENVELOPE_HEADERS, parseEnvelope } from '../../core/envelope.ts';
import { lsn } from '../../core/lsn.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { Names } from '../../core/names.ts';
import { headerText, utf8, utf8Text } from '../../core/record.ts';
import type { Relation } from '../replication/pgoutput.ts';
import type { RecordTail } from './batch-records.ts';
import { readTail } from './batch-records.ts';
import { letterOfBytes, letterOfRow, withoutPayload } from './dead-letter.ts';
import { COLUMN, OutboxRow, outboxLayout } from './outbox-row.ts';
import { contentTypeHeader, eventTailBytes, framedContentType, tailBytes, writeEventTail, writeTail } from './record-tail.ts';
import { TopicTable, routeRow } from './route.ts';

const names = new Names('ns');
const topics = new TopicTable(names, ['image.registered', 'image.deleted'], (topic) => topic);

const FULL: Record<string, string | null> = {
  id: '0b7e5b9a-3c5e-4f0a-9a57-3f1d2c4b5a69',
  aggregatetype: 'image',
  aggregateid: 'user-1',
  type: 'ImageRegistered',
  payload: '{"n": 12345678901234567890}',
  trace_id: 'a'.repeat(32),
  request_id: 'request-1',
  created_at: '2025-11-21 08:00:00.5+00',
  topic: 'image.registered',
  stream_id: 'image-1',
  version: '9007199254740993',
  traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  tracestate: 'x=1',
  tracingspancontext: 'ignored',
  correlation_id: 'flow-1',
  causation_id: 'cause-1',
};

function rowOf(values: Record<string, string | null>, payloadOid = 3802): OutboxRow {
  const entries = Object.entries(values);
  const relation: Relation = {
    kind: 'relation',
    oid: 1,
    schema: 'image',
    name: 'outbox',
    columns: entries.map(([name]) => ({ name, typeOid: name === 'payload' ? payloadOid : 25 })),
  };
  const count = Buffer.alloc(2);
  count.writeUInt16BE(entries.length);
  const parts = entries.flatMap(([, value]) => {
    if (value === null) return [Buffer.from('n')];
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(value));
    return [Buffer.from('t'), length, Buffer.from(value)];
  });
  const tuple = Buffer.concat([count, ...parts]);
  const row = new OutboxRow();
  // Between bytes of others, as it lies in the buffer of a socket.
  row.readTuple(outboxLayout(relation), Buffer.concat([Buffer.from('before'), tuple, Buffer.from('behind')]), 6, 6 + tuple.length);
  return row;
}

/** The record of a row, read back from its bytes. */
function recordOf(row: OutboxRow): RecordTail {
  routeRow(row, topics);
  const [start, length] = [row.startOf(COLUMN.payload), row.lengthOf(COLUMN.payload)];
  const value = row.payloadIsBinary
    ? { bytes: row.bytes, start: start + 2, length: (length - 2) / 2, isHex: true, contentType: contentTypeHeader(framedContentType(0)) }
    : { bytes: row.bytes, start, length, isHex: false, contentType: contentTypeHeader(CONTENT_TYPE_JSON) };
  const bytes = Buffer.alloc(eventTailBytes(row, value) + 3, 0xff);
  expect(writeEventTail(bytes, 2, row, value)).toBe(bytes.length - 1);
  return readTail(bytes, 2);
}

const without = (...dropped: string[]) => Object.fromEntries(Object.entries(FULL).filter(([name]) => !dropped.includes(name)));

describe('the rule from outbox row to record', () => {
  it('makes topic, key, value and headers in the order of the envelope', () => {
    const record = recordOf(rowOf(FULL));
    expect(routeRow(rowOf(FULL), topics)).toBe('ns.events.image.registered');
    expect(utf8Text(record.key!)).toBe('user-1');
    expect(utf8Text(record.value!)).toBe('{"n": 12345678901234567890}');
    expect(record.headers.map(([name]) => name)).toEqual([...ENVELOPE_HEADERS]);
    expect(parseEnvelope(record.headers, utf8Text(record.key!))).toEqual({
      id: FULL['id'],
      type: 'ImageRegistered',
      aggregateType: 'image',
      aggregateId: 'user-1',
      streamId: 'image-1',
      version: 9007199254740993n,
      traceId: FULL['trace_id'],
      requestId: 'request-1',
      traceparent: FULL['traceparent'],
      tracestate: 'x=1',
      correlationId: 'flow-1',
      causationId: 'cause-1',
      occurredAt: '2025-11-21T08:00:00.500000Z',
    });
  });

  it('finds columns by name, whatever their order and whatever else the table holds', () => {
    const shuffled = Object.fromEntries([['extra', 'x'], ...Object.entries(FULL).reverse()]);
    expect(recordOf(rowOf(shuffled))).toEqual(recordOf(rowOf(FULL)));
  });

  it('leaves out optional columns that are null or that the table has not', () => {
    const lean = { ...without('request_id', 'traceparent', 'tracestate', 'tracingspancontext'), correlation_id: null, causation_id: null };
    const headers = recordOf(rowOf(lean)).headers.map(([name]) => name);
    expect(headers).toEqual(['id', 'type', 'aggregatetype', 'stream_id', 'version', 'trace_id', 'occurred_at', 'content-type']);
  });

  it.each(['id', 'type', 'aggregatetype', 'aggregateid', 'stream_id', 'version', 'trace_id', 'created_at'])(
    'refuses a row without %s, null, empty or missing',
    (name) => {
      for (const values of [without(name), { ...FULL, [name]: null }, { ...FULL, [name]: '' }]) {
        expect(() => routeRow(rowOf(values), topics)).toThrow(expect.objectContaining({ code: 'ENVELOPE_INVALID' }));
      }
    },
  );

  it('refuses a topic that is not declared, or none', () => {
    for (const topic of ['image.other', 'ns.events.image.registered', '', null]) {
      expect(() => routeRow(rowOf({ ...FULL, topic }), topics)).toThrow(expect.objectContaining({ code: 'EVENT_UNROUTABLE' }));
    }
  });

  it('refuses a row without payload', () => {
    expect(() => routeRow(rowOf({ ...FULL, payload: null }), topics)).toThrow(expect.objectContaining({ code: 'PAYLOAD_INVALID' }));
  });

  it('copies a binary payload unchanged and tells by its first byte what it is', () => {
    const record = recordOf(rowOf({ ...FULL, payload: '\\x0000000a02ffAB' }, 17));
    expect(Buffer.from(record.value!).toString('hex')).toBe('0000000a02ffab');
    expect(headerText(record.headers, 'content-type')).toBe(CONTENT_TYPE_AVRO);
    expect(framedContentType(0x7b)).toBe(CONTENT_TYPE_JSON);
    expect(framedContentType(undefined)).toBe(CONTENT_TYPE_JSON);
  });

  it('tells the time of an event in UTC, also where the row has another zone', () => {
    const record = recordOf(rowOf({ ...FULL, created_at: '2025-11-21 17:30:00.12+09' }));
    expect(headerText(record.headers, 'occurred_at')).toBe('2025-11-21T08:30:00.120000Z');
    expect(() => recordOf(rowOf({ ...FULL, created_at: 'infinity' }))).toThrow(expect.objectContaining({ code: 'ENVELOPE_INVALID' }));
  });

  it('keeps values of every length, empty ones too', () => {
    for (const length of [0, 1, 47, 48, 49, 63, 64, 200, 8191, 8192, 20_000]) {
      const text = 'ü'.repeat(length);
      const record = recordOf(rowOf({ ...FULL, payload: text, tracestate: text }));
      expect(utf8Text(record.value!)).toBe(text);
      expect(headerText(record.headers, 'tracestate')).toBe(text);
    }
  });

  it('refuses rows that are cut off, wherever they are cut', () => {
    const layout = { numbers: Int8Array.from([0, 1]), payloadIsBinary: false };
    const tuple = Buffer.from('\0\x02t\0\0\0\x03abct\0\0\0\x01d', 'latin1');
    const row = new OutboxRow();
    row.readTuple(layout, tuple, 0, tuple.length);
    expect([row.text('id')!.toString(), row.text('type')!.toString()]).toEqual(['abc', 'd']);
    for (let length = 0; length < tuple.length; length += 1) {
      expect(() => row.readTuple(layout, tuple, 0, length)).toThrow(RangeError);
    }
  });
});

describe('a dead letter of the capture', () => {
  const context = { service: 'relay.image', failedAtMs: Date.UTC(2025, 10, 21), commitLsn: lsn(0x1_0000_00ffn), dialects: [] as const };

  it('holds key, payload and readable headers as they are, and says why, where and when', () => {
    const letter = letterOfRow(rowOf(FULL), new ClassifiedError('EVENT_UNROUTABLE', 'no topic'), names, context);
    expect(utf8Text(letter.key!)).toBe('user-1');
    expect(utf8Text(letter.value!)).toBe(FULL['payload']);
    const event = recordOf(rowOf(FULL)).headers.slice(0, -1);
    expect(letter.headers.slice(0, event.length).map(([name, value]) => [name, utf8Text(value!)])).toEqual(
      event.map(([name, value]) => [name, utf8Text(value!)]),
    );
    expect(letter.headers.slice(event.length).map(([name, value]) => [name, utf8Text(value!)])).toEqual([
      ['content-type', CONTENT_TYPE_JSON],
      ['dlt-original-topic', 'ns.events.image.registered'],
      ['dlt-error-class', 'dead-letter'],
      ['dlt-error-code', 'EVENT_UNROUTABLE'],
      ['dlt-error-message', 'no topic'],
      ['dlt-failed-at', '2025-11-21T00:00:00.000Z'],
      ['dlt-service', 'relay.image'],
      ['dlt-lsn', '1/FF'],
    ]);
  });

  it('says the same in the headers of Spring and of Kafka Connect where they are wanted', () => {
    const error = new ClassifiedError('EVENT_UNROUTABLE', 'no topic');
    const letter = letterOfRow(rowOf(FULL), error, names, { ...context, dialects: ['spring', 'connect'] });
    expect(headerText(letter.headers, 'kafka_dlt-original-topic')).toBe('ns.events.image.registered');
    expect(headerText(letter.headers, 'kafka_dlt-exception-message')).toBe('no topic');
    expect(headerText(letter.headers, '__connect.errors.stage')).toBe('TRANSFORMATION');
    // A row has no place in a topic yet.
    expect(letter.headers.map(([name]) => name)).not.toContain('kafka_dlt-original-offset');
  });

  it('is made of a row that holds nothing else', () => {
    const letter = letterOfRow(rowOf({ id: 'x' }), new ClassifiedError('ENVELOPE_INVALID', 'no type'), names, context);
    expect(letter.key).toBeNull();
    expect(letter.value).toBeNull();
    expect(headerText(letter.headers, 'id')).toBe('x');
  });

  it('is laid out and read back as it is, with null key, null value and null headers', () => {
    const error = new ClassifiedError('PAYLOAD_UNREADABLE', 'no row');
    const letters: RecordTail[] = [
      letterOfBytes(Uint8Array.of(1, 2, 3), error, context),
      withoutPayload(letterOfRow(rowOf(FULL), error, names, context)),
      { key: utf8('k'), value: utf8(''), headers: [['ü', null]] },
    ];
    for (const letter of letters) {
      const bytes = Buffer.alloc(tailBytes(letter));
      expect(writeTail(bytes, 0, letter)).toBe(bytes.length);
      const plain = ({ key, value, headers }: RecordTail) =>
        [key, value, headers.flat()].flat().map((part) => (part instanceof Uint8Array ? utf8Text(part) : part));
      expect(plain(readTail(bytes, 0))).toEqual(plain(letter));
    }
  });
});
