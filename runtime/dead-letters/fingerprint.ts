import { createHash } from 'node:crypto';

/**
 * Names an error whatever its numbers and ids are: letters of one fingerprint most likely have one cause. Twelve
 * hexadecimal digits.
 */
export function fingerprint(code: string, message: string): string {
  const shape = message
    .toLowerCase()
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '#')
    .replaceAll(/\b[0-9a-f]{16,}\b/g, '#')
    .replaceAll(/\d+/g, '#');
  return createHash('sha256').update(`${code}\0${shape}`).digest('hex').slice(0, 12);
}
