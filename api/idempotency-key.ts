import { createHash } from 'node:crypto';
import { Type } from 'typebox';

/** The header `Idempotency-Key`: 1 to 255 visible ASCII characters. */
export const IdempotencyKey = Type.String({
  minLength: 1,
  maxLength: 255,
  pattern: '^[\\x21-\\x7e]+$',
  description: 'Decides repetition per user and route: the same key and body get the first answer again, another body 422.',
});

/**
 * The key under which the command is remembered. Bound to route and user: the header alone would let one user's answer
 * reach another. User ids hold no colon, so no two pairs of user and key read the same.
 */
export function scopedIdempotencyKey(route: string, userId: string, header: string): string {
  return `http:${route}:${userId}:${header}`;
}

/** SHA-256 of the body with its fields in the order of their names: the order in which a client writes them says nothing. */
export function requestHash(body: unknown): string {
  return createHash('sha256').update(canonical(body)).digest('hex');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(',')}}`;
}
