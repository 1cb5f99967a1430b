import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatLsn, lsn, parseLsn } from './lsn.ts';

const anyLsn = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map(lsn);

describe('an LSN', () => {
  it('survives printing and parsing', () => {
    fc.assert(fc.property(anyLsn, (value) => parseLsn(formatLsn(value)) === value));
  });

  it('keeps its order across the border between the halves', () => {
    expect(parseLsn('1/0') > parseLsn('0/FFFFFFFF')).toBe(true);
    expect(formatLsn(lsn(0x1_0000_0000n))).toBe('1/0');
  });

  it.each(['', '0', '0/', '/0', 'G/0', '0/123456789', '-1/0', '0/0 '])('refuses %j', (text) => {
    expect(() => parseLsn(text)).toThrow(RangeError);
  });

  it('refuses what does not fit 64 bits', () => {
    expect(() => lsn(-1n)).toThrow(RangeError);
    expect(() => lsn(1n << 64n)).toThrow(RangeError);
  });
});
