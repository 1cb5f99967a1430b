import { Type } from 'typebox';
import { InvalidInput } from './validation.ts';

export const ImageUrl = Type.String({
  maxLength: 2048,
  format: 'url',
  pattern: '^[Hh][Tt][Tt][Pp][Ss]?://',
  description: 'Where the image lies: an http or https URL without user name and password',
});

/**
 * The URL as it was sent: the classifier fetches exactly that.
 * @throws InvalidInput naming the field.
 */
export function imageUrl(field: string, text: string): string {
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') {
    throw new InvalidInput([{ field, message: 'must not hold a user name or password' }]);
  }
  // URL parsing drops, trims or replaces these; what is stored must be what was checked, and half a character cannot be stored.
  if (/[\s\p{Cc}\p{Cf}\p{Cs}]/u.test(text)) {
    throw new InvalidInput([{ field, message: 'must not hold spaces, control characters or broken ones' }]);
  }
  return text;
}
