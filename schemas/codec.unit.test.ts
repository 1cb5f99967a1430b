import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { offset } from '../core/offset.ts';
import { utf8, utf8Text, type ConsumedRecord } from '../core/record.ts';
import { createAvroEncoder, createJsonEncoder, createPayloadDecoder } from './codec.ts';
import type { AvroRecord } from './avro-schema.ts';
import { encodeFrame } from './wire-format.ts';

const V1: AvroRecord = {
  type: 'record',
  name: 'Scan',
  fields: [
    { name: 'scan_id', type: 'string' },
    { name: 'eligible', type: 'boolean', default: false },
  ],
};
const V2: AvroRecord = {
  ...V1,
  fields: [
    ...V1.fields,
    { name: 'confidence', type: ['null', 'double'], default: null },
    { name: 'version', type: 'string', default: '2.0' },
    { name: 'count', type: ['null', 'long'], default: null },
    { name: 'labels', type: ['null', { type: 'map', values: { type: 'array', items: 'string' } }], default: null },
  ],
};

/** A registry that holds schemas by id, and counts what it is asked. */
class FakeRegistry {
  readonly schemas = new Map<number, AvroRecord>([
    [1, V1],
    [2, V2],
  ]);
  asked = 0;
  away = false;

  async idOf(_subject: string, schema: AvroRecord): Promise<number> {
    this.answer();
    const found = [...this.schemas].find(([, held]) => held === schema);
    if (found === undefined) throw new ClassifiedError('REGISTRY_UNAVAILABLE', 'not registered');
    return found[0];
  }

  async schemaById(id: number): Promise<Json> {
    this.answer();
    const schema = this.schemas.get(id);
    if (schema === undefined) throw new ClassifiedError('SCHEMA_UNKNOWN', 'unknown');
    return schema as unknown as Json;
  }

  private answer(): void {
    this.asked += 1;
    if (this.away) throw new ClassifiedError('REGISTRY_UNAVAILABLE', 'away');
  }
}

function writer(schema: AvroRecord, registry = new FakeRegistry()) {
  return createAvroEncoder({
    registry,
    subjectOf: (type) => `${type}-value`,
    schemaOf: (type) => {
      if (type !== 'Scan') throw new ClassifiedError('EVENT_UNKNOWN', 'unknown');
      return schema;
    },
  });
}

function reader(schema: AvroRecord, registry = new FakeRegistry()) {
  return createPayloadDecoder({ registry, readerSchemaOf: (type) => (type === 'Scan' ? schema : undefined) });
}

function record(value: Uint8Array | null): ConsumedRecord {
  return { topic: 't', partition: 0, offset: offset(0n), key: null, value, headers: [], timestampMs: 0 };
}

function json(payload: unknown): Uint8Array {
  return utf8(typeof payload === 'string' ? payload : JSON.stringify(payload));
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const failure = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(failure).toBeInstanceOf(ClassifiedError);
  const { code, message } = failure as ClassifiedError;
  return `${code}: ${message}`;
}

async function transfer(from: AvroRecord, to: AvroRecord, payload: unknown): Promise<unknown> {
  const encoded = await writer(from).encode('Scan', json(payload));
  expect(encoded.contentType).toBe('application/vnd.confluent.avro');
  return reader(to).decode('Scan', record(encoded.value));
}

describe('a payload', () => {
  const full = { scan_id: 's', eligible: true, confidence: 0.9, version: '3', count: 9007199254740991, labels: { a: ['x'], b: [] } };

  it('arrives as it was sent, with unions written plainly', async () => {
    expect(await transfer(V2, V2, full)).toEqual(full);
  });

  it('has its defaults where a field is missing, or null and may not be', async () => {
    const expected = { scan_id: 's', eligible: false, confidence: null, version: '2.0', count: null, labels: null };
    expect(await transfer(V2, V2, { scan_id: 's' })).toEqual(expected);
    expect(await transfer(V2, V2, { scan_id: 's', version: null, eligible: null, confidence: null })).toEqual(expected);
  });

  it('of version 1 is read by version 2 with its defaults, and of version 2 by version 1 without what it does not know', async () => {
    expect(await transfer(V1, V2, { scan_id: 's', eligible: true })).toEqual({
      scan_id: 's',
      eligible: true,
      confidence: null,
      version: '2.0',
      count: null,
      labels: null,
    });
    expect(await transfer(V2, V1, full)).toEqual({ scan_id: 's', eligible: true });
  });

  it('is the same from plain JSON, with white space before it and fields of a later version in it', async () => {
    const value = json(` \n ${JSON.stringify({ ...full, later: { deep: [1] } })}`);
    expect(await reader(V2).decode('Scan', record(value))).toEqual(full);
  });

  it('keeps names that mean something to JavaScript', async () => {
    const payload = '{"scan_id":"s","labels":{"__proto__":["x"],"constructor":["y"]}}';
    const encoded = await writer(V2).encode('Scan', json(payload));
    for (const value of [encoded.value, json(payload)]) {
      const { labels } = (await reader(V2).decode('Scan', record(value))) as { labels: Record<string, unknown> };
      expect(Object.entries(labels)).toEqual([
        ['__proto__', ['x']],
        ['constructor', ['y']],
      ]);
      expect(Object.getPrototypeOf(labels)).toBe(Object.prototype);
    }
  });

  it('that cannot be written is refused by the name of its field and nothing of its content', async () => {
    const encoder = writer(V2);
    const cases: [unknown, string][] = [
      [{ eligible: true }, 'field scan_id is missing'],
      [{ scan_id: null }, 'field scan_id must not be null'],
      [{ scan_id: 7 }, 'field scan_id is not a string'],
      [{ scan_id: 's', confidence: 'secret' }, 'field confidence is not a finite number'],
      ['{"scan_id":"s","confidence":1e999}', 'field confidence is not a finite number'],
      [{ scan_id: 's', labels: { a: ['x', 'y', 3] } }, 'field labels.a[2] is not a string'],
      [{ scan_id: 's', secret: 1 }, 'field secret is not in the schema'],
      ['{"scan_id":"s","count":9007199254740993}', 'field count is not an integer below 2^53'],
      [{ scan_id: 's', count: 1.5 }, 'field count is not an integer below 2^53'],
      [[], 'the payload is not an object'],
      ['{"scan_id":"secret', 'the payload is not JSON'],
    ];
    for (const [payload, why] of cases) expect(await refusal(encoder.encode('Scan', json(payload)))).toBe(`PAYLOAD_INVALID: Scan: ${why}`);
  });

  it('of an unknown event is refused on both sides', async () => {
    expect(await refusal(writer(V2).encode('Other', json({})))).toMatch(/^EVENT_UNKNOWN/);
    expect(await refusal(reader(V2).decode('Other', record(json({}))))).toMatch(/^EVENT_UNKNOWN/);
  });

  it('that cannot be read says why and nothing of its content', async () => {
    const cases: [Uint8Array | null, string][] = [
      [null, 'PAYLOAD_UNREADABLE: the record has no value'],
      [new Uint8Array(), 'PAYLOAD_UNREADABLE: the value is neither an Avro frame nor JSON'],
      [utf8('secret'), 'PAYLOAD_UNREADABLE: the value is neither an Avro frame nor JSON'],
      [new Uint8Array([0, 0]), 'PAYLOAD_UNREADABLE: the value is neither an Avro frame nor JSON'],
      [utf8('{"secret'), 'PAYLOAD_UNREADABLE: the payload is not JSON'],
      [utf8('{"eligible":true}'), 'PAYLOAD_INVALID: Scan: field scan_id is missing'],
      [encodeFrame(2, new Uint8Array([2])), 'PAYLOAD_UNREADABLE: the body is not what schema 2 says: the value ends before its end'],
      [encodeFrame(9, new Uint8Array()), 'SCHEMA_UNKNOWN: unknown'],
    ];
    for (const [value, why] of cases) expect(await refusal(reader(V2).decode('Scan', record(value)))).toBe(why);
  });

  it('is neither written nor read while its schema has to be asked for and the registry is away', async () => {
    const registry = new FakeRegistry();
    const [encoder, decoder] = [writer(V2, registry), reader(V2, registry)];
    registry.away = true;
    expect(await refusal(encoder.encode('Scan', json({ scan_id: 's' })))).toMatch(/^REGISTRY_UNAVAILABLE/);
    expect(await refusal(decoder.decode('Scan', record(encodeFrame(2, new Uint8Array()))))).toMatch(/^REGISTRY_UNAVAILABLE/);
    // Poison leaves all the same, and JSON needs no registry.
    expect(await refusal(encoder.encode('Scan', json({})))).toMatch(/^PAYLOAD_INVALID/);
    expect(await decoder.decode('Scan', record(json({ scan_id: 's' })))).toMatchObject({ scan_id: 's' });
    registry.away = false;
    const { value } = await encoder.encode('Scan', json({ scan_id: 's' }));
    expect(await decoder.decode('Scan', record(value))).toMatchObject({ scan_id: 's' });
    registry.away = true;
    await encoder.encode('Scan', json({ scan_id: 's' }));
    expect(await decoder.decode('Scan', record(value))).toMatchObject({ scan_id: 's' });
  });

  it('is known to need the registry only before its schema was read', async () => {
    const registry = new FakeRegistry();
    const { value } = await writer(V2, registry).encode('Scan', json({ scan_id: 's' }));
    const decoder = reader(V2, registry);
    const reads = (bytes: Uint8Array | null) => decoder.readsFromMemory?.(record(bytes));
    expect([reads(value), reads(json({})), reads(null), reads(utf8('neither'))]).toEqual([false, true, true, true]);
    await decoder.decode('Scan', record(value));
    expect([reads(value), reads(encodeFrame(9, new Uint8Array()))]).toEqual([true, false]);
  });

  it('asks the registry once for what many need at the same time', async () => {
    const registry = new FakeRegistry();
    const { value } = await writer(V2).encode('Scan', json({ scan_id: 's' }));
    const decoder = reader(V2, registry);
    await Promise.all(Array.from({ length: 50 }, () => decoder.decode('Scan', record(value))));
    expect(registry.asked).toBe(1);
  });

  it('can be copied as JSON to the byte', async () => {
    const text = json('{"b": 12345678901234567890, "a":1.50}');
    const encoded = await createJsonEncoder().encode('Any', text);
    expect(utf8Text(encoded.value)).toBe('{"b": 12345678901234567890, "a":1.50}');
    expect(encoded.contentType).toBe('application/json');
    text[0] = 0;
    expect(encoded.value[0]).toBe(0x7b);
  });
});

describe('less common schemas', () => {
  const ODD: AvroRecord = {
    type: 'record',
    name: 'Scan',
    fields: [
      { name: 'raw', type: 'bytes' },
      { name: 'choice', type: ['null', 'string', { type: 'enum', name: 'Colour', symbols: ['RED', 'BLUE'] }] },
    ],
  };

  it('carry bytes as text with one character per byte, and several branches as the first that fits', async () => {
    const registry = new FakeRegistry();
    registry.schemas.set(3, ODD);
    const { value } = await writer(ODD, registry).encode('Scan', json({ raw: '\u0000\u00ff', choice: 'RED' }));
    expect(await reader(ODD, registry).decode('Scan', record(value))).toEqual({ raw: '\u0000\u00ff', choice: 'RED' });
    expect(await refusal(writer(ODD, registry).encode('Scan', json({ raw: '\u0100', choice: null })))).toContain('field raw is not text');
    expect(await refusal(writer(ODD, registry).encode('Scan', json({ raw: '', choice: 7 })))).toContain(
      'field choice is none of null, string, enum',
    );
  });

  it('follow aliases and fall back to the default of an enumeration', async () => {
    const registry = new FakeRegistry();
    const state = (symbols: string[]) => ({ type: 'enum' as const, name: 'State', symbols, default: 'UNKNOWN' });
    const before: AvroRecord = { type: 'record', name: 'Scan', fields: [{ name: 'old', type: state(['UNKNOWN', 'NEWER']) }] };
    const after = { type: 'record', name: 'Scan', fields: [{ name: 'young', aliases: ['old'], type: state(['UNKNOWN']) }] } as const;
    registry.schemas.set(4, before);
    const { value } = await writer(before, registry).encode('Scan', json({ old: 'NEWER' }));
    expect(await reader(after as unknown as AvroRecord, registry).decode('Scan', record(value))).toEqual({ young: 'UNKNOWN' });
  });
});
