/** Tag of a logical message in pgoutput; then flags (1 byte), position (8), prefix, zero byte. */
const MESSAGE = 0x4d;
const PREFIX_AT = 10;
const PREFIX_BYTES_MAX = 1024;

/**
 * Whether pgoutput's `bytes[start, end)`, which may be the beginning only, is a logical message of another prefix. False when that
 * cannot be told yet. Anybody may write such messages, of up to a gigabyte, and the server sends all of them.
 *
 * Source: PostgreSQL documentation, "Logical Replication Message Formats".
 */
export function isForeignMessage(bytes: Buffer, start: number, end: number, ownPrefix: string): boolean {
  if (bytes[start] !== MESSAGE) return false;
  const prefixStart = start + PREFIX_AT;
  const limit = Math.min(end, prefixStart + PREFIX_BYTES_MAX);
  const length = bytes.subarray(prefixStart, limit).indexOf(0);
  if (length === -1) return limit - prefixStart === PREFIX_BYTES_MAX;
  return bytes.toString('utf8', prefixStart, prefixStart + length) !== ownPrefix;
}
