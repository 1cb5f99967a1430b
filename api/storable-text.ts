import { InvalidInput } from './validation.ts';

/**
 * The text as it was sent, if PostgreSQL and UTF-8 can hold it: no NUL, no half a character.
 * @throws InvalidInput naming the field.
 */
export function storableText(field: string, text: string): string {
  if (/[\0\p{Cs}]/u.test(text)) throw new InvalidInput([{ field, message: 'must not hold NUL or broken characters' }]);
  return text;
}
