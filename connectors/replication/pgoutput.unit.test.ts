import { describe, expect, it } from 'vitest';
import { POSTGRES_EPOCH_US, decodePgoutput, tupleColumns } from './pgoutput.ts';

const u8 = (value: number) => Buffer.from([value]);
const u16 = (value: number) => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
};
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const u64 = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
};
const text = (value: string) => Buffer.from(`${value}\0`);
const message = (tag: string, ...parts: Buffer[]) => Buffer.concat([Buffer.from(tag), ...parts]);
const column = (value: string | null) =>
  value === null ? Buffer.from('n') : Buffer.concat([Buffer.from('t'), u32(Buffer.byteLength(value)), Buffer.from(value)]);

const HIGH_LSN = 0xffff_fffe_8000_0001n;

describe('decoding pgoutput', () => {
  it('reads a begin with a position above 2^63, a time in microseconds and an unsigned xid', () => {
    expect(decodePgoutput(message('B', u64(HIGH_LSN), u64(1_234_567n), u32(0xf000_0001)))).toEqual({
      kind: 'begin',
      commitLsn: HIGH_LSN,
      commitTimeUs: POSTGRES_EPOCH_US + 1_234_567n,
      xid: 0xf000_0001,
    });
  });

  it('reads a commit with the position behind it', () => {
    expect(decodePgoutput(message('C', u8(0), u64(100n), u64(148n), u64(7n)))).toEqual({
      kind: 'commit',
      commitLsn: 100n,
      endLsn: 148n,
      commitTimeUs: POSTGRES_EPOCH_US + 7n,
    });
  });

  it('reads a relation with unsigned oids and names in any alphabet', () => {
    const bytes = message(
      'R',
      u32(0x9000_0000),
      text('image'),
      text('outbox'),
      u8(0x64),
      u16(2),
      Buffer.concat([u8(1), text('id'), u32(2950), u32(0xffff_ffff)]),
      Buffer.concat([u8(0), text('이름'), u32(0x8000_0001), u32(68)]),
    );
    expect(decodePgoutput(bytes)).toEqual({
      kind: 'relation',
      oid: 0x9000_0000,
      schema: 'image',
      name: 'outbox',
      columns: [
        { name: 'id', typeOid: 2950 },
        { name: '이름', typeOid: 0x8000_0001 },
      ],
    });
    expect(decodePgoutput(message('R', u32(1), text(''), text('t'), u8(0x64), u16(0)))).toMatchObject({ schema: 'pg_catalog' });
  });

  it('reads an insert without touching its values', () => {
    const bytes = message('I', u32(16384), Buffer.from('N'), u16(4), column('12345678901234567890'), column(null), column(''), column('✓'));
    const insert = decodePgoutput(bytes);
    if (insert.kind !== 'insert') throw new Error('not an insert');
    expect(insert.relationOid).toBe(16384);
    const columns = tupleColumns(insert.tuple);
    expect(columns.map((each) => each?.toString() ?? null)).toEqual(['12345678901234567890', null, '', '✓']);
    expect(columns[0]?.buffer).toBe(bytes.buffer);
  });

  it('reads type, origin, truncate and logical messages', () => {
    expect(decodePgoutput(message('Y', u32(5), text('s'), text('mood')))).toEqual({ kind: 'type', oid: 5, schema: 's', name: 'mood' });
    expect(decodePgoutput(message('O', u64(9n), text('elsewhere')))).toEqual({ kind: 'origin', commitLsn: 9n, name: 'elsewhere' });
    expect(decodePgoutput(message('T', u32(2), u8(1), u32(7), u32(8)))).toEqual({ kind: 'truncate', relationOids: [7, 8] });
    expect(decodePgoutput(message('M', u8(1), u64(9n), text('outbox'), u32(3), Buffer.from('abc')))).toEqual({
      kind: 'message',
      transactional: true,
      lsn: 9n,
      prefix: 'outbox',
      content: Buffer.from('abc'),
    });
  });

  it('names a tag that it does not know, and an empty message, instead of failing', () => {
    expect(decodePgoutput(message('S', u32(1)))).toEqual({ kind: 'unknown', tag: 'S' });
    expect(decodePgoutput(Buffer.alloc(0))).toEqual({ kind: 'unknown', tag: '' });
  });

  it('refuses messages and rows that are cut off, wherever they are cut', () => {
    const whole = [
      message('B', u64(1n), u64(2n), u32(3)),
      message('C', u8(0), u64(1n), u64(2n), u64(3n)),
      message('R', u32(1), text('a'), text('b'), u8(0x64), u16(1), Buffer.concat([u8(0), text('c'), u32(25), u32(1)])),
      message('T', u32(1), u8(0), u32(7)),
      message('M', u8(1), u64(9n), text('p'), u32(3), Buffer.from('abc')),
    ];
    for (const bytes of whole) {
      // The type modifier at the end of a relation is skipped, not read.
      const readTo = bytes[0] === 0x52 ? bytes.length - 4 : bytes.length;
      for (let length = 1; length < readTo; length += 1) expect(() => decodePgoutput(bytes.subarray(0, length))).toThrow(RangeError);
    }
    const tuple = Buffer.concat([u16(2), column('abc'), column('de')]);
    for (let length = 0; length < tuple.length; length += 1) expect(() => tupleColumns(tuple.subarray(0, length))).toThrow(RangeError);
  });
});
