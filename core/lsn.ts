/**
 * A position in PostgreSQL's write-ahead log: a byte offset, printed by the server as two hexadecimal halves
 * (`16/B374D848`). It is a number of its own kind, so that an LSN can never be compared with an offset or a string.
 *
 * Source: PostgreSQL documentation, section 8.20 "pg_lsn Type".
 */
export type Lsn = bigint & { readonly __brand: 'Lsn' };

const LSN_MAX = (1n << 64n) - 1n;

/** LSN 0/0: "no position". PostgreSQL reads a flush position of 0 as "unchanged". */
export const LSN_ZERO = 0n as Lsn;

/** @throws RangeError when the value is negative or does not fit 64 bits. */
export function lsn(value: bigint): Lsn {
  if (value < 0n || value > LSN_MAX) throw new RangeError(`LSN out of range: ${value}`);
  return value as Lsn;
}

/** Parses the server's text form. The low half is not zero-padded by the server, so it is a number and not a suffix. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) throw new RangeError(`not an LSN: ${JSON.stringify(text)}`);
  return ((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)) as Lsn;
}

/** Prints the form that PostgreSQL prints: upper-case hexadecimal halves without padding. */
export function formatLsn(value: Lsn): string {
  return `${(value >> 32n).toString(16).toUpperCase()}/${(value & 0xffffffffn).toString(16).toUpperCase()}`;
}

export function maxLsn(a: Lsn, b: Lsn): Lsn {
  return a > b ? a : b;
}

export function minLsn(a: Lsn, b: Lsn): Lsn {
  return a < b ? a : b;
}
