import avsc from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeAvro } from './avro-write.ts';
import { AVRO_LIMITS, AvroFault, compileAvroReader } from './avro-guard.ts';

const RICH = {
  type: 'record',
  name: 'Rich',
  fields: [
    { name: 'i', type: 'int' },
    { name: 'l', type: 'long' },
    { name: 'f', type: 'float' },
    { name: 'd', type: 'double' },
    { name: 'b', type: 'boolean' },
    { name: 's', type: 'string' },
    { name: 'n', type: 'null' },
    { name: 'u', type: ['null', 'string', 'long'] },
    { name: 'e', type: { type: 'enum', name: 'E', symbols: ['A', 'B', 'C'] } },
    { name: 'a', type: { type: 'array', items: { type: 'record', name: 'Inner', fields: [{ name: 'x', type: ['null', 'double'] }] } } },
    { name: 'm', type: { type: 'map', values: { type: 'array', items: 'int' } } },
  ],
} as const;

const value = fc.record({
  i: fc.integer(),
  // avsc calculates beyond that in floating point, and is wrong.
  l: fc.integer({ min: -(2 ** 52), max: 2 ** 52 }),
  f: fc.float({ noNaN: true, noDefaultInfinity: true }),
  d: fc.double({ noNaN: true, noDefaultInfinity: true }),
  b: fc.boolean(),
  s: fc.string({ unit: 'grapheme' }),
  n: fc.constant(null),
  u: fc.oneof(fc.constant(null), fc.string({ unit: 'grapheme' }), fc.integer({ min: -(2 ** 52), max: 2 ** 52 })),
  e: fc.constantFrom('A', 'B', 'C'),
  a: fc.array(fc.record({ x: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })) })),
  m: fc.dictionary(
    fc.string({ unit: 'grapheme' }).filter((key) => key !== '__proto__'),
    fc.array(fc.integer()),
  ),
});

describe('the bounded Avro reader', () => {
  const type = avsc.Type.forSchema(RICH as unknown as avsc.Schema);
  const read = compileAvroReader(type);

  it('reads what avsc writes, whatever it is', () => {
    fc.assert(
      fc.property(value, (given) => {
        expect(plain(read(type.toBuffer(given)))).toEqual(plain(given));
      }),
      { numRuns: 500 },
    );
  });

  it('reads what is written here, and so does avsc', () => {
    fc.assert(
      fc.property(value, (given) => {
        const written = writeAvro(type, given);
        expect(Buffer.from(written)).toEqual(type.toBuffer(given));
        expect(plain(read(written))).toEqual(plain(given));
      }),
      { numRuns: 500 },
    );
  });

  it('reads every integer that JSON can hold as it was written', () => {
    const long = avsc.Type.forSchema('long');
    fc.assert(
      fc.property(fc.maxSafeInteger(), (number) => {
        expect(compileAvroReader(long)(writeAvro(long, number))).toBe(number);
      }),
      { numRuns: 1_000 },
    );
  });

  it('reads any bytes or refuses them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          read(bytes);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(AvroFault);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('refuses every valid value that is cut short or followed by something', () => {
    fc.assert(
      fc.property(value, fc.nat(), (given, cut) => {
        const bytes = type.toBuffer(given);
        expect(() => read(bytes.subarray(0, cut % bytes.length))).toThrow(AvroFault);
        expect(() => read(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(AvroFault);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a body made to do harm', () => {
  const arrayOf = (items: unknown) => compileAvroReader(avsc.Type.forSchema({ type: 'array', items } as avsc.Schema));
  const long = (number: number) => Buffer.from(writeAvro(avsc.Type.forSchema('long'), number));

  it('cannot claim more items than it has bytes for', () => {
    expect(() => arrayOf('null')(Buffer.concat([long(200_000_000), Buffer.of(0)]))).toThrow(/too many items/);
    expect(() => arrayOf({ type: 'record', name: 'Empty', fields: [] })(Buffer.concat([long(200_000_000), Buffer.of(0)]))).toThrow(
      /too many items/,
    );
    expect(() => arrayOf('int')(Buffer.concat([long(200_000_000), Buffer.of(2, 2, 0)]))).toThrow(/too many items/);
    expect(() => arrayOf('null')(Buffer.concat([long(-Number.MAX_SAFE_INTEGER), Buffer.of(0, 0)]))).toThrow(/too many items/);
  });

  it('cannot spread empty items over many blocks', () => {
    const block = long(500);
    expect(() => arrayOf('null')(Buffer.concat([block, block, block, Buffer.of(0)]))).toThrow(/too many items/);
    expect(arrayOf('null')(Buffer.concat([block, Buffer.of(0)]))).toHaveLength(500);
  });

  it('cannot nest without end', () => {
    const list = avsc.Type.forSchema({ type: 'record', name: 'List', fields: [{ name: 'next', type: ['null', 'List'] }] });
    expect(() => compileAvroReader(list)(Buffer.alloc(100_000, 2))).toThrow(/nested deeper/);
  });

  it('cannot change a prototype', () => {
    const map = avsc.Type.forSchema({ type: 'map', values: { type: 'map', values: 'boolean' } });
    const text = (word: string) => avsc.Type.forSchema('string').toBuffer(word);
    const body = Buffer.concat([Buffer.of(2), text('__proto__'), Buffer.of(2), text('isAdmin'), Buffer.of(1, 0, 0)]);
    const read = compileAvroReader(map)(body) as Record<string, unknown>;
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
    expect(Object.keys(read)).toEqual(['__proto__']);
    expect(read['isAdmin']).toBeUndefined();
  });

  it('cannot be larger than the limit', () => {
    expect(() => compileAvroReader(avsc.Type.forSchema('bytes'))(new Uint8Array(AVRO_LIMITS.maxBytes + 1))).toThrow(/more than/);
  });

  it('cannot pass a rounded integer, a number that is none, or text that is none', () => {
    const of = (schema: string) => compileAvroReader(avsc.Type.forSchema(schema));
    // 2^53 + 1, zigzag: its double is 2^53.
    expect(() => of('long')(Buffer.from('8280808080808020', 'hex'))).toThrow(/beyond 2\^53/);
    expect(of('long')(long(Number.MAX_SAFE_INTEGER))).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => of('long')(Buffer.alloc(11, 0xff))).toThrow(/ten bytes/);
    expect(() => of('int')(long(2 ** 31))).toThrow(/32 bits/);
    expect(() => of('double')(avsc.Type.forSchema('double').toBuffer(Number.NaN))).toThrow(/not finite/);
    expect(() => of('string')(Buffer.of(2, 0xff))).toThrow(/UTF-8/);
    expect(of('string')(avsc.Type.forSchema('string').toBuffer('\ufffd'))).toBe('\ufffd');
    expect(() => of('boolean')(Buffer.of(7))).toThrow(AvroFault);
  });
});

/** avsc makes records of classes of its own; only their fields are compared. Negative zero is written as such and stays. */
function plain(data: unknown): unknown {
  if (Array.isArray(data)) return data.map(plain);
  if (typeof data !== 'object' || data === null) return data;
  return Object.fromEntries(Object.entries(data).map(([name, inner]) => [name, plain(inner)]));
}
