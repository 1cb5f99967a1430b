import type { PayloadDecoder } from '../../core/codec.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Letter } from './letter.ts';

/** What a person is shown of a value: as its reader would see it, else as JSON, else its bytes. */
export type LetterPayload =
  | { readonly kind: 'none' }
  | { readonly kind: 'decoded'; readonly value: unknown }
  /** Plain JSON that the event's schema does not accept; `error` says why. */
  | { readonly kind: 'json'; readonly value: unknown; readonly error: string }
  | { readonly kind: 'hex'; readonly hex: string; readonly bytes: number; readonly error: string };

/** A megabyte of digits helps nobody. */
const HEX_BYTES_MAX = 4_096;

/** Never rejects. For the eyes of an operator only: it must not be logged. */
export async function letterPayload(letter: Letter, decoder: PayloadDecoder): Promise<LetterPayload> {
  const { value, type } = letter;
  if (value === null) return { kind: 'none' };
  let error = 'the letter names no event type';
  try {
    const record = { ...letter.place, key: letter.key, value, headers: letter.headers, timestampMs: letter.timestampMs };
    if (type !== undefined) return { kind: 'decoded', value: await decoder.decode(type, record) };
  } catch (thrown) {
    error = thrown instanceof ClassifiedError ? `${thrown.code}: ${thrown.message}` : 'the value could not be read';
  }
  try {
    return { kind: 'json', value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value)) as unknown, error };
  } catch {
    return { kind: 'hex', hex: Buffer.from(value.subarray(0, HEX_BYTES_MAX)).toString('hex'), bytes: value.length, error };
  }
}
