import type { StateChange } from '../core/define.ts';
import type { LetterPlace } from '../runtime/dead-letters/letter.ts';
import { formatPlace } from '../runtime/dead-letters/letter.ts';
import type { Effects } from '../runtime/rehearsal/effect-notes.ts';
import type { Rehearsal } from '../runtime/rehearsal/rehearsal.ts';
import { oneLine } from './dlt-text.ts';

/** For programs. Without payloads: what would be written, and where, but no content. */
export function rehearsalJson(place: LetterPlace, rehearsal: Rehearsal, withPayloads: boolean): string {
  return JSON.stringify({ letter: formatPlace(place), ...rehearsalFields(rehearsal, withPayloads) });
}

export function rehearsalFields(rehearsal: Rehearsal, withPayloads: boolean): object {
  switch (rehearsal.kind) {
    case 'acked':
      return { result: 'acked', ...effectFields(rehearsal.effects, withPayloads) };
    case 'skipped':
      return { result: 'skipped', reason: rehearsal.reason };
    case 'failed':
      return {
        result: 'failed',
        error_code: rehearsal.error.code,
        error_message: rehearsal.error.message,
        class: rehearsal.error.disposition,
      };
    case 'needs-call':
      return { result: 'needs-call', call: rehearsal.call };
  }
}

/** For people: what would become of the record of that name, and a line for each effect. */
export function rehearsalLines(place: LetterPlace, rehearsal: Rehearsal, withPayloads: boolean): string {
  return rehearsedLines(formatPlace(place), rehearsal, withPayloads);
}

export function rehearsedLines(name: string, rehearsal: Rehearsal, withPayloads: boolean): string {
  return [`${name}  ${verdict(rehearsal)}`, ...(rehearsal.kind === 'acked' ? effectLines(rehearsal.effects, withPayloads) : [])].join('\n');
}

function verdict(rehearsal: Rehearsal): string {
  switch (rehearsal.kind) {
    case 'acked':
      return 'would be acked';
    case 'skipped':
      return rehearsal.reason === 'duplicate' ? 'would be skipped: it was handled before' : `would be skipped: ${rehearsal.reason}`;
    case 'failed':
      return `would fail: ${rehearsal.error.code}: ${rehearsal.error.message}`;
    case 'needs-call':
      return `would make the call ${rehearsal.call}, which a rehearsal leaves out (--with-calls makes it)`;
  }
}

function effectFields({ events, changes, documents }: Effects, withPayloads: boolean) {
  return {
    events: events.map(({ type, aggregateType, aggregateId, version, payload }) => ({
      ...{ type, aggregate_type: aggregateType, aggregate_id: aggregateId, version: Number(version) },
      ...(withPayloads ? { payload } : {}),
    })),
    changes: changes.map((change) => ({
      ...{ op: change.op, table: change.table, key: change.key, columns: columnsOf(change) },
      ...(withPayloads && change.op !== 'delete' ? { set: change.set } : {}),
    })),
    documents: documents.map(({ store, id, change, part, content }) => ({
      ...{ store, id, change, part: part ?? null },
      ...(withPayloads ? { content: content ?? null } : {}),
    })),
  };
}

function effectLines({ events, changes, documents }: Effects, withPayloads: boolean): string[] {
  const shown = (content: unknown): string => (withPayloads && content !== undefined ? `  ${JSON.stringify(content)}` : '');
  const lines = [
    ...events.map(
      (event) => `event ${event.type} as version ${event.version} of ${event.aggregateType} ${event.aggregateId}${shown(event.payload)}`,
    ),
    ...changes.map(
      (change) =>
        `${change.op} ${change.table} ${JSON.stringify(change.key)}: ${columnsOf(change).join(', ')}${shown(change.op === 'delete' ? undefined : change.set)}`,
    ),
    ...documents.map(
      ({ store, id, change, part, content }) => `${store} ${change} ${id}${part === undefined ? '' : ` ${part}`}${shown(content)}`,
    ),
  ];
  return lines.length === 0 ? ['  nothing would change'] : lines.map((line) => `  ${oneLine(line)}`);
}

function columnsOf(change: StateChange): readonly string[] {
  return change.op === 'delete' ? [] : Object.keys(change.set);
}
