import type { AggregateView, ViewedEvent } from '../runtime/postgres/view-aggregate.ts';
import { oneLine, shortened } from './one-line.ts';

export interface ShownAggregate extends AggregateView {
  readonly domain: string;
  readonly type: string;
  readonly id: string;
  /** The time that was asked for; undefined: now. */
  readonly at: string | undefined;
}

/** For people: what it is, and a line per event. */
export function aggregateText(shown: ShownAggregate): string {
  const { domain, type, id, at, version, state, history } = shown;
  const lines = [
    `${type} ${oneLine(id)}`,
    `  domain   ${domain}`,
    `  version  ${version}${at === undefined ? '' : ` at ${at}`}`,
    '  state',
    ...JSON.stringify(state, null, 2)
      .split('\n')
      .map((line) => `    ${line}`),
  ];
  const [first] = history;
  if (first !== undefined) {
    lines.push('  history');
    if (first.version > 1n) lines.push(`    (${first.version - 1n} older ones are not shown; --last shows more)`);
    lines.push(...history.map(eventLine));
  }
  return lines.join('\n');
}

/** For programs: one object; versions are numbers, times ISO 8601 in UTC. */
export function aggregateJson({ domain, type, id, at, version, state, history }: ShownAggregate, withHistory: boolean): string {
  const events = history.map((event) => ({
    version: Number(event.version),
    event_id: event.id,
    type: event.type,
    occurred_at: event.occurredAt,
    trace_id: event.traceId ?? null,
    causation_id: event.causationId ?? null,
    payload: event.payload,
  }));
  const shown = { domain, type, id, at: at ?? null, version: Number(version), state, ...(withHistory ? { history: events } : {}) };
  return JSON.stringify(shown);
}

/** Event and trace are what `millrace trace` takes. */
function eventLine({ version, id, occurredAt, type, traceId, payload }: ViewedEvent): string {
  return `    ${version.toString().padStart(5)}  ${occurredAt}  ${type}  event ${id}  trace ${traceId ?? '-'}  ${shortened(JSON.stringify(payload))}`;
}
