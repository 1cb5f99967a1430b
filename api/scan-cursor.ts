import type { ScanPosition } from './query-ports.ts';
import { InvalidInput } from './validation.ts';

/** The place after which the next page begins, as the opaque text that a client sends back. */
export function writeCursor(position: ScanPosition): string {
  return Buffer.from(JSON.stringify([position.completedAt, position.scanId])).toString('base64url');
}

const COMPLETED_AT = /^(19[7-9]|2\d\d)\d-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/;
const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/** @throws InvalidInput when it is not one of ours: it goes on into queries, so nothing else may pass. */
export function readCursor(text: string): ScanPosition {
  const [completedAt, scanId, ...rest] = parts(text);
  const isPosition =
    typeof completedAt === 'string' && isMoment(completedAt) && typeof scanId === 'string' && UUID.test(scanId) && rest.length === 0;
  if (!isPosition) throw new InvalidInput([{ field: 'cursor', message: 'must be the next_cursor of an earlier answer' }]);
  return { completedAt, scanId };
}

/** In the calendar as well: 30 February would parse as 2 March here, and fail in a database. */
function isMoment(text: string): boolean {
  const ms = COMPLETED_AT.test(text) ? Date.parse(text) : NaN;
  return !Number.isNaN(ms) && new Date(ms).toISOString().slice(0, 19) === text.slice(0, 19);
}

function parts(text: string): unknown[] {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    // Not JSON: not one of ours, which the caller reports.
    return [];
  }
}
