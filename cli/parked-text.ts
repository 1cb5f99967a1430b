import type { ParkedFailure, ParkedFindings } from '../runtime/parked-operations.ts';
import type { ParkedEntry } from '../runtime/postgres/parked-list.ts';
import type { ParkedRehearsal } from '../runtime/rehearsal/rehearse-parked.ts';
import { oneLine, shortened } from './one-line.ts';
import { rehearsalFields, rehearsedLines } from './rehearsal-text.ts';

/** For people: a line per record, in the order of its key, and what there is in all. */
export function parkedText({ entries, records, keys, failed }: ParkedFindings): string {
  if (records === 0) return failed.length === 0 ? 'no parked record fits' : 'no parked record fits in the databases that answered';
  const lines = entries.map(entryLine);
  if (entries.length < records) lines.push(`(${records - entries.length} more are not shown; --limit shows more)`);
  return [...lines, `${count(records, 'record')} of ${count(keys, 'key')}`].join('\n');
}

/** For programs. */
export function parkedJson({ entries, records, keys, olderThanInbox, failed }: ParkedFindings): object {
  return { records, keys, older_than_inbox: olderThanInbox, shown: entries.map(entryJson), failed: failedJson(failed) };
}

export function failedJson(failed: readonly ParkedFailure[]): readonly object[] {
  return failed.map(({ domain, error }) => ({ domain, code: error.code, message: error.message, remedy: error.remedy }));
}

/** Why a record that fits is not retried; the same words as for a dead letter. */
export const OLDER_THAN_INBOX = 'whose event is older than the inbox remembers: its effect could come twice (--accept-double-effects)';

/** For people: the record, what a retry would do with it, and a line for each effect. */
export function parkedRehearsalText(entry: ParkedEntry, rehearsal: ParkedRehearsal, withPayloads: boolean): string {
  const line = entryLine(entry);
  if (rehearsal.kind === 'refused')
    return `${line}\n  would be left out: its event is older than the inbox remembers (--accept-double-effects)`;
  if (rehearsal.kind === 'no-group') return `${line}\n  would be handled by nobody: the pipeline has no such group`;
  return `${line}\n${rehearsedLines('', rehearsal, withPayloads)}`;
}

/** For programs: a JSON object for each record. Without payloads: what would be written, and where, but no content. */
export function parkedRehearsalJson(entry: ParkedEntry, rehearsal: ParkedRehearsal, withPayloads: boolean): string {
  const record = entryJson(entry);
  if (rehearsal.kind === 'refused' || rehearsal.kind === 'no-group') return JSON.stringify({ record, result: rehearsal.kind });
  return JSON.stringify({ record, ...rehearsalFields(rehearsal, withPayloads) });
}

function entryLine(entry: ParkedEntry): string {
  const { group, key, type, topic, partition, offset, traceId, errorCode } = entry;
  return `${group}  key ${oneLine(key ?? '-')}  ${oneLine(type ?? '-')}  ${topic}/${partition}@${offset}  ${stateOf(entry)}  ${errorCode ?? '-'}  trace ${oneLine(traceId ?? '-')}${whyLine(entry)}`;
}

/** What stands behind another one waits for that one's error. */
function whyLine({ isFirst, errorMessage, firstFailedAt, parkedAt }: ParkedEntry): string {
  if (!isFirst || errorMessage === null) return '';
  return `\n  since ${firstFailedAt ?? parkedAt}: ${shortened(oneLine(errorMessage))}`;
}

function stateOf({ blockedSince, isFirst, attempts, dueAt }: ParkedEntry): string {
  if (blockedSince !== null) return `blocked since ${blockedSince}`;
  return isFirst ? `attempt ${attempts + 1} at ${dueAt}` : 'behind another one';
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function entryJson(entry: ParkedEntry): object {
  return {
    group: entry.group,
    key: entry.key,
    topic: entry.topic,
    partition: entry.partition,
    offset: entry.offset.toString(),
    event_id: entry.eventId,
    type: entry.type,
    trace_id: entry.traceId,
    origin: entry.origin,
    first_of_key: entry.isFirst,
    older_than_inbox: entry.isOlderThanInbox,
    attempts: entry.attempts,
    due_at: entry.dueAt,
    blocked_since: entry.blockedSince,
    error_code: entry.errorCode,
    error_message: entry.errorMessage,
    first_failed_at: entry.firstFailedAt,
    parked_at: entry.parkedAt,
    bytes: entry.bytes,
  };
}
