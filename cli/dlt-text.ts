import { utf8Text } from '../core/record.ts';
import { fingerprint } from '../runtime/dead-letters/fingerprint.ts';
import type { FoundLetter } from '../runtime/dead-letters/found-letter.ts';
import type { LetterPayload } from '../runtime/dead-letters/letter-payload.ts';
import type { LetterHeap } from '../runtime/dead-letters/letter-stats.ts';
import type { Parts } from '../runtime/dead-letters/letter-parts.ts';
import type { AuditEntry } from '../runtime/dead-letters/letter-states.ts';
import { formatPlace, keyText } from '../runtime/dead-letters/letter.ts';

/** For programs: what a letter says of itself, without its payload. Times are ISO 8601 in UTC. */
export function letterFields({ letter, group, state }: FoundLetter) {
  const { origin } = letter;
  return {
    letter: formatPlace(letter.place),
    state,
    group,
    written_at: iso(letter.writtenAtMs),
    error_code: letter.errorCode,
    error_class: letter.errorClass ?? null,
    error_message: letter.errorMessage,
    fingerprint: fingerprint(letter.errorCode, letter.errorMessage),
    type: letter.type ?? null,
    event_id: letter.eventId ?? null,
    trace_id: letter.traceId ?? null,
    key: keyText(letter.key) ?? null,
    attempts: letter.attempts ?? null,
    first_failed_at: letter.firstFailedAt ?? null,
    first_error_code: letter.firstErrorCode ?? null,
    replay_of: letter.replayOf ?? null,
    replays: letter.replays,
    origin: origin === undefined ? null : { ...origin, offset: origin.offset.toString(), timestamp: iso(origin.timestampMs) },
    service: letter.service ?? null,
  };
}

/** For people: two lines a letter. */
export function letterLines(found: FoundLetter): string {
  const { letter, state } = found;
  const replays = letter.replays === 0 ? '' : `, replayed ${letter.replays}× before`;
  return [
    `${formatPlace(letter.place)}  ${iso(letter.writtenAtMs)}  ${state}`,
    `  ${letter.errorCode}  ${letter.type ?? '(no type)'}  key ${keyText(letter.key) ?? '(none)'}  trace ${letter.traceId ?? '-'}${replays}  ${letter.errorMessage}`,
  ].join('\n');
}

export interface ShownLetter {
  readonly found: FoundLetter;
  /** Of a payload that is kept in several letters. */
  readonly parts?: Parts | undefined;
  readonly payload: LetterPayload;
  readonly audit: readonly AuditEntry[];
}

export function shownLetterJson({ found, parts, payload, audit }: ShownLetter): string {
  const headers = found.letter.headers.map(([name, value]) => [name, value === null ? null : utf8Text(value)]);
  return JSON.stringify({ ...letterFields(found), headers, kept: keptFields(found, parts), payload, audit });
}

function keptFields({ letter: { kept } }: FoundLetter, parts: Parts | undefined): object | null {
  if (kept === undefined) return null;
  return parts === undefined ? kept : { ...kept, parts: parts.found, complete: parts.whole !== undefined };
}

/** What became of a payload that was too large for its letter, and what to do. */
function keptLines({ letter, queue }: FoundLetter, parts: Parts | undefined): string[] {
  const { kept, eventId } = letter;
  if (kept?.kind === 'outbox') {
    const domain = queue.reader.kind === 'capture' ? queue.reader.domain.name : '<domain>';
    return [
      `  payload: ${kept.bytes} bytes, too many for a letter. Until its day is dropped it is in the outbox:`,
      `    SELECT payload FROM ${domain}.outbox WHERE id = '${eventId ?? '<event id>'}'`,
    ];
  }
  if (kept === undefined || parts === undefined) return [];
  const { found, totalBytes, whole } = parts;
  const state = whole === undefined ? 'not all of them are there, or it is too large to be put together' : 'put together here';
  return [`  kept in parts: ${found} found, of ${totalBytes} bytes in all, ${state} (this one is bytes ${kept.from}-${kept.to - 1})`];
}

export function shownLetterText({ found, parts, payload, audit }: ShownLetter): string {
  const { headers, ...fields } = { ...letterFields(found), headers: found.letter.headers };
  const { origin, ...flat } = fields;
  return [
    ...Object.entries({
      ...flat,
      origin: origin === null ? null : `${origin.topic}/${origin.partition}/${origin.offset} at ${origin.timestamp}`,
    })
      .filter(([, value]) => value !== null)
      .map(([name, value]) => line(name, String(value))),
    '  headers',
    ...headers.map(
      ([name, value]) => `    ${oneLine(name)}: ${value === null ? '(null)' : oneLine(utf8Text(value)).slice(0, HEADER_WIDTH)}`,
    ),
    ...keptLines(found, parts),
    ...(found.letter.kept?.kind === 'outbox' ? [] : payloadLines(payload)),
    ...(audit.length === 0 ? [] : ['  audit', ...audit.map(auditLine)]),
  ].join('\n');
}

const HEADER_WIDTH = 200;

function payloadLines(payload: LetterPayload): string[] {
  const pretty = (value: unknown): string[] =>
    JSON.stringify(value, null, 2)
      .split('\n')
      .map((text) => `    ${text}`);
  switch (payload.kind) {
    case 'none':
      return ['  payload: the record has no value'];
    case 'decoded':
      return ['  payload', ...pretty(payload.value)];
    case 'json':
      return [`  payload (JSON; its reader says ${payload.error})`, ...pretty(payload.value)];
    case 'hex':
      return [
        `  payload (${payload.bytes} bytes; its reader says ${payload.error})`,
        ...(payload.hex.match(/.{1,64}/g) ?? []).map((part) => `    ${part}`),
      ];
  }
}

function auditLine({ action, actor, detail, at }: AuditEntry): string {
  return `    ${at}  ${action} by ${oneLine(actor)}${detail === null ? '' : `: ${oneLine(detail)}`}`;
}

export function heapFields(heap: LetterHeap) {
  const { oldestMs, newestMs, type, ...rest } = heap;
  return { ...rest, type: type ?? null, oldest: iso(oldestMs), newest: iso(newestMs) };
}

export function heapLines(heap: LetterHeap): string {
  const states = Object.entries(heap.states)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ');
  return [
    `${heap.topic}  ${heap.code}  ${heap.type ?? '(no type)'}  ${heap.count} (${states})  fingerprint ${heap.fingerprint}`,
    `  ${iso(heap.oldestMs)} … ${iso(heap.newestMs)}  ${heap.message}`,
  ].join('\n');
}

/** What a terminal would obey is shown and not sent. */
export function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}

function line(what: string, text: string): string {
  return `  ${what.padEnd(17)} ${text}`;
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}
