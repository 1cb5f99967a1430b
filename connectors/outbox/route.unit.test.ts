import { describe, expect, it } from 'vitest';
import { CONTENT_TYPE_AVRO, CONTENT_TYPE_JSON, ENVELOPE_HEADERS, parseEnvelope } from '../../core/envelope.ts';
import { lsn } from '../../core/lsn.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { Names } from '../../core/names.ts';
import { headerText, utf8, utf8Text } from '../../core/record.ts';
import type { Relation } from '../replication/pgoutput.ts';
import { deadLetterRecord } from './dead-letter.ts';
import { outboxLayout, readOutboxRow } from './outbox-row.ts';
import { declaredTopics, eventRecord, framedPayload, routeRow } from './route.ts';

const names = new Names('ns');
const topicOf = declaredTopics(names, new Set(['image.registered']));

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

function rowOf(values: Record<string, string | null>, payloadOid = 3802) {
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
  return readOutboxRow(outboxLayout(relation), Buffer.concat([count, ...parts]));
}

const without = (...dropped: string[]) => Object.fromEntries(Object.entries(FULL).filter(([name]) => !dropped.includes(name)));

describe('the rule from outbox row to record', () => {
  it('makes topic, key, headers in the order of the envelope, and the time of the commit', () => {
    const routed = routeRow(rowOf(FULL), topicOf);
    const record = eventRecord(routed, { value: routed.payload, contentType: CONTENT_TYPE_JSON }, 1_700_000_000_000);
    expect(record.topic).toBe('ns.events.image.registered');
    expect(utf8Text(record.key!)).toBe('user-1');
    expect(utf8Text(record.value!)).toBe('{"n": 12345678901234567890}');
    expect(record.timestampMs).toBe(1_700_000_000_000);
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
    expect(routeRow(rowOf(shuffled), topicOf)).toEqual(routeRow(rowOf(FULL), topicOf));
  });

  it('leaves out optional columns that are null or that the table has not', () => {
    const lean = { ...without('request_id', 'traceparent', 'tracestate', 'tracingspancontext'), correlation_id: null, causation_id: null };
    const headers = routeRow(rowOf(lean), topicOf).headers.map(([name]) => name);
    expect(headers).toEqual(['id', 'type', 'aggregatetype', 'stream_id', 'version', 'trace_id', 'occurred_at']);
  });

  it.each(['id', 'type', 'aggregatetype', 'aggregateid', 'stream_id', 'version', 'trace_id', 'created_at'])(
    'refuses a row without %s, null, empty or missing',
    (name) => {
      for (const values of [without(name), { ...FULL, [name]: null }, { ...FULL, [name]: '' }]) {
        expect(() => routeRow(rowOf(values), topicOf)).toThrow(expect.objectContaining({ code: 'ENVELOPE_INVALID' }));
      }
    },
  );

  it('refuses a topic that is not declared, or none', () => {
    for (const topic of ['image.other', 'ns.events.image.registered', '', null]) {
      expect(() => routeRow(rowOf({ ...FULL, topic }), topicOf)).toThrow(expect.objectContaining({ code: 'EVENT_UNROUTABLE' }));
    }
  });

  it('refuses a row without payload', () => {
    expect(() => routeRow(rowOf({ ...FULL, payload: null }), topicOf)).toThrow(expect.objectContaining({ code: 'PAYLOAD_INVALID' }));
  });

  it('copies a binary payload unchanged and tells by its first byte what it is', () => {
    const routed = routeRow(rowOf({ ...FULL, payload: '\\x0000000a02ff' }, 17), topicOf);
    expect(framedPayload(routed.payload)).toEqual({ value: Buffer.from('0000000a02ff', 'hex'), contentType: CONTENT_TYPE_AVRO });
    expect(framedPayload(utf8('{}')).contentType).toBe(CONTENT_TYPE_JSON);
  });
});

describe('a dead letter of the capture', () => {
  const context = { names, domain: 'image', service: 'relay.image', failedAtMs: Date.UTC(2025, 10, 21), commitLsn: lsn(0x1_0000_00ffn) };

  it('holds key, payload and readable headers as they are, and says why, where and when', () => {
    const letter = deadLetterRecord(rowOf(FULL), new ClassifiedError('EVENT_UNROUTABLE', 'no topic'), context);
    expect(letter.topic).toBe('ns.capture.image.dlt');
    expect(utf8Text(letter.key!)).toBe('user-1');
    expect(utf8Text(letter.value!)).toBe(FULL['payload']);
    const event = routeRow(rowOf(FULL), topicOf).headers;
    expect(letter.headers.slice(0, event.length)).toEqual(event);
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

  it('is made of a row that holds nothing else', () => {
    const letter = deadLetterRecord(rowOf({ id: 'x' }), new ClassifiedError('ENVELOPE_INVALID', 'no type'), context);
    expect(letter.key).toBeNull();
    expect(letter.value).toBeNull();
    expect(headerText(letter.headers, 'id')).toBe('x');
  });
});
