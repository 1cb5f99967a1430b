import type { EventRecord } from '../core/envelope.ts';
import type { ExpectedStep } from '../runtime/flows/flow.ts';
import { hasFailedCall } from '../runtime/flows/flow.ts';
import { formatPlace, keyText } from '../runtime/dead-letters/letter.ts';
import type { LetterOfFlow, SetAside } from '../runtime/flows/set-aside.ts';
import type { Trace, TracedFlow } from '../runtime/flows/trace-flows.ts';
import { placeText, whereaboutsText } from '../runtime/flows/whereabouts.ts';
import type { DecisionOfFlow } from '../runtime/postgres/decisions-of-flow.ts';
import type { FlowRow } from '../runtime/postgres/flow-table.ts';
import type { ParkedOfFlow } from '../runtime/postgres/parked-of-flow.ts';
import { oneLine, shortened } from './one-line.ts';

interface Shown {
  /** Payloads and results hold what users wrote. */
  readonly payloads: boolean;
  /** The name of a domain's group. */
  readonly groupOf: (domain: string) => string;
}

/** For people: a tree by causation, with the time since the flow began before each line. */
export function traceText(trace: Trace, shown: Shown): string {
  const lines = trace.flows.flatMap((traced, index) => [...(index === 0 ? [] : ['']), ...flowLines(traced, shown)]);
  lines.push(...otherLines(trace.otherRecords, lines.length > 0));
  const remarks = [...trace.limits, ...trace.gaps.map((gap) => `not looked at: ${gap}`)];
  if (remarks.length > 0) lines.push(...(lines.length === 0 ? [] : ['']), ...remarks.map(oneLine));
  return lines.join('\n');
}

/** Whether anything was found. */
export function isEmpty({ flows, otherRecords: { parked, letters, decisions } }: Trace): boolean {
  return flows.length + parked.length + letters.length + decisions.length === 0;
}

function otherLines({ parked, letters, decisions }: SetAside, afterOthers: boolean): string[] {
  if (parked.length + letters.length + decisions.length === 0) return [];
  return [
    ...(afterOthers ? [''] : []),
    'records that say this id, of events that are in no flow that was read',
    ...parked.map((record) => oneLine(`  ${record.type ?? '(no type)'}  event ${record.eventId ?? '-'}  ${parkedText(record)}`)),
    ...letters.map((found) =>
      oneLine(`  ${found.letter.type ?? '(no type)'}  event ${found.letter.eventId ?? '-'}  ${letterText(found, undefined)}`),
    ),
    ...decisions.map((decision) => oneLine(`  ${decision.at}  event ${decision.eventId ?? '-'}  ${decisionText(decision)}`)),
  ];
}

const DECISIONS: Readonly<Record<DecisionOfFlow['action'], string>> = {
  replayed: 'letter replayed',
  discarded: 'letter discarded',
  'parked-retry': 'parked record retried',
  'parked-discard': 'parked record discarded',
};

function decisionText({ action, actor, group }: DecisionOfFlow): string {
  return `${group}: ${DECISIONS[action]} by ${actor}`;
}

function parkedText(record: ParkedOfFlow): string {
  const { group, topic, partition, offset, attempts, dueAt, isFirst, blockedSince, errorCode } = record;
  const next = isFirst ? `attempt ${attempts + 1} at ${dueAt}` : 'behind another one of its key';
  const state = blockedSince === undefined ? next : `its key waits for a person since ${blockedSince}`;
  return `${group}: PARKED ${placeText({ topic, partition, offset })}, ${state}${errorCode === undefined ? '' : ` (${errorCode})`}`;
}

/** Of an event that is known, with the time from it to its letter. */
function letterText({ letter, group, state }: LetterOfFlow, occurredAt: string | undefined): string {
  const after =
    occurredAt === undefined ? '' : `, ${durationText(Math.max(0, letter.writtenAtMs - Date.parse(occurredAt)))} after the event`;
  const attempts = letter.attempts === undefined ? '' : `, after ${letter.attempts} attempt${letter.attempts === 1 ? '' : 's'}`;
  return `${group}: DEAD LETTER ${formatPlace(letter.place)}, ${state ?? 'state unknown'}${after}${attempts} (${letter.errorCode})`;
}

function flowLines(traced: TracedFlow, shown: Shown): string[] {
  const { flow, rows } = traced;
  const [first] = flow.events;
  const [row] = rows;
  const head = [
    `flow ${oneLine(flow.id)}`,
    `trace ${first?.traceId ?? oneLine(row?.trace_id ?? '-')}, began ${first?.occurredAt ?? row?.began_at ?? '-'}`,
    ...rows.map(sagaText),
  ];
  const known = new Set(flow.events.map(({ id }) => id as string));
  const roots = flow.events.filter(({ causationId }) => causationId === undefined || !known.has(causationId));
  const tree = new Tree(traced, shown, first?.occurredAt ?? '');
  return [
    ...head,
    // After the roots whatever hangs on none of them: foreign writers may name any cause.
    ...[...roots, ...flow.events].flatMap((event) => tree.event(event, 1)),
  ];
}

/** How the sweep last saw the flow. */
export function sagaText(row: FlowRow): string {
  const { saga, status, began_at, ended_as, ended_at, action, looked_at } = row;
  const acted = action === null ? '' : `; ${action === 'finish' ? 'finished' : 'compensated'} by the sweep`;
  if (status === 'ended') return `${saga}: ended as ${ended_as} after ${durationText(betweenMs(began_at, ended_at ?? began_at))}${acted}`;
  return `${saga}: ${status} when it was looked at, ${looked_at}${acted}`;
}

class Tree {
  private readonly traced: TracedFlow;
  private readonly shown: Shown;
  private readonly began: string;
  private readonly seen = new Set<string>();

  constructor(traced: TracedFlow, shown: Shown, began: string) {
    this.traced = traced;
    this.shown = shown;
    this.began = began;
  }

  event(event: EventRecord, depth: number): string[] {
    if (this.seen.has(event.id)) return [];
    this.seen.add(event.id);
    const { flow, topics } = this.traced;
    const place = topics.get(event.id);
    const payload = this.shown.payloads ? `  ${shortened(JSON.stringify(event.payload))}` : '';
    const type = flow.aggregateTypes?.get(event.id) ?? event.aggregateType;
    const text = `${event.type}  ${oneLine(`${type} ${event.streamId}`)} version ${event.version}  event ${event.id}`;
    const steps = flow.steps.filter((step) => step.event.id === event.id);
    const caused = flow.events.filter(({ causationId }) => causationId === event.id);
    const ofSteps = new Set(steps.map(({ domain }) => domain));
    return [
      this.line(event.occurredAt, depth, text + (place === undefined ? '' : `  at ${placeText(place.at)}`) + payload),
      ...(place?.projections ?? []).map(({ group, passed }) =>
        this.line(undefined, depth + 1, `${group}: ${passed ? 'read' : 'not read yet'}`),
      ),
      ...this.aside(event, depth + 1),
      ...steps.flatMap((step) => [
        this.step(step, depth + 1),
        ...caused.filter(({ aggregateType }) => aggregateType === step.domain).flatMap((next) => this.event(next, depth + 2)),
      ]),
      ...caused.filter(({ aggregateType }) => !ofSteps.has(aggregateType)).flatMap((next) => this.event(next, depth + 1)),
    ];
  }

  /** Parked records and dead letters of the event, with the time at which they came to be that. */
  private aside(event: EventRecord, depth: number): string[] {
    const { aside } = this.traced;
    return [
      ...aside.letters
        .filter(({ letter }) => letter.eventId === event.id)
        .map((found) => this.line(new Date(found.letter.writtenAtMs).toISOString(), depth, oneLine(letterText(found, event.occurredAt)))),
      ...aside.parked
        .filter(({ eventId }) => eventId === event.id)
        .map((record) => this.line(record.parkedAt, depth, oneLine(parkedText(record)))),
      ...aside.decisions
        .filter(({ eventId }) => eventId === event.id)
        .map((decision) => this.line(decision.at, depth, oneLine(decisionText(decision)))),
    ];
  }

  private step(step: ExpectedStep, depth: number): string {
    const group = this.shown.groupOf(step.domain);
    if (step.done === undefined) {
      const where = this.traced.waiting.get(step);
      if (step.unread) return this.line(undefined, depth, `${group}: not known, its inbox could not be read`);
      return this.line(undefined, depth, `${group}: WAITS${where === undefined ? '' : `: ${whereaboutsText(where)}`}`);
    }
    const { startedAt, endedAt, status, result } = step.done;
    const worked = startedAt === undefined ? '' : `, of which ${durationText(betweenMs(startedAt, endedAt))} at work`;
    const how = hasFailedCall(step) ? `${status} without an answer to its call (${step.reaction.call?.name}),` : status;
    const kept = this.shown.payloads && result !== null ? `  ${shortened(JSON.stringify(result))}` : '';
    return this.line(
      endedAt,
      depth,
      `${group}: ${how} ${durationText(betweenMs(step.event.occurredAt, endedAt))} after the event${worked}${kept}`,
    );
  }

  private line(at: string | undefined, depth: number, text: string): string {
    const time = at === undefined ? '' : `+${durationText(betweenMs(this.began, at))}`;
    return `${time.padStart(10)}${'  '.repeat(depth)}${text}`;
  }
}

/** For programs: one object; times are ISO 8601 in UTC, durations milliseconds. */
export function traceJson(trace: Trace, { payloads, groupOf }: Shown): string {
  const flows = trace.flows.map((traced) => ({
    flow_id: traced.flow.id,
    trace_id: traced.flow.events[0]?.traceId ?? null,
    sagas: traced.rows.map(({ saga, status, ended_as, ended_at, deadline_at, action, looked_at }) => ({
      ...{ saga, status, ended_as, ended_at, deadline_at, action, looked_at },
    })),
    ...asideJson(traced.aside),
    events: traced.flow.events.map((event) => ({
      event_id: event.id,
      type: event.type,
      domain: event.aggregateType,
      aggregate_type: traced.flow.aggregateTypes?.get(event.id) ?? event.aggregateType,
      stream_id: event.streamId,
      version: Number(event.version),
      occurred_at: event.occurredAt,
      causation_id: event.causationId ?? null,
      position: positionJson(traced, event),
      ...(payloads ? { payload: event.payload } : {}),
      steps: traced.flow.steps.filter((step) => step.event.id === event.id).map((step) => stepJson(step, traced, { payloads, groupOf })),
    })),
  }));
  return JSON.stringify({ flows, other_records: asideJson(trace.otherRecords), not_looked_at: trace.gaps, limits: trace.limits });
}

function asideJson({ parked, letters, decisions }: SetAside) {
  return {
    decisions: decisions.map(({ eventId, ...decision }) => ({ ...decision, event_id: eventId ?? null })),
    parked: parked.map((record) => ({
      group: record.group,
      event_id: record.eventId ?? null,
      type: record.type ?? null,
      trace_id: record.traceId ?? null,
      ...{ topic: record.topic, partition: record.partition, offset: Number(record.offset) },
      ...{ attempts: record.attempts, due_at: record.dueAt, first_of_key: record.isFirst, blocked_since: record.blockedSince ?? null },
      ...{ error_code: record.errorCode ?? null, parked_at: record.parkedAt },
    })),
    dead_letters: letters.map(({ letter, group, state }) => ({
      letter: formatPlace(letter.place),
      ...{ group, state: state ?? 'unknown', event_id: letter.eventId ?? null, type: letter.type ?? null },
      ...{ trace_id: letter.traceId ?? null, key: keyText(letter.key) ?? null },
      ...{ attempts: letter.attempts ?? null, error_code: letter.errorCode, written_at: new Date(letter.writtenAtMs).toISOString() },
    })),
  };
}

function positionJson({ topics }: TracedFlow, { id }: EventRecord) {
  const found = topics.get(id);
  if (found === undefined) return null;
  const { topic, partition, offset } = found.at;
  return { topic, partition, offset: Number(offset), projections: found.projections };
}

function stepJson(step: ExpectedStep, { waiting }: TracedFlow, { payloads, groupOf }: Shown) {
  const { done } = step;
  const common = { group: groupOf(step.domain), status: done?.status ?? (step.unread ? 'unknown' : 'waiting') };
  if (done === undefined) {
    const where = waiting.get(step);
    return where === undefined ? common : { ...common, where: where.kind, detail: whereaboutsText(where) };
  }
  const times = {
    started_at: done.startedAt ?? null,
    ended_at: done.endedAt,
    after_event_ms: betweenMs(step.event.occurredAt, done.endedAt),
  };
  const failed = hasFailedCall(step) ? { call_failed: step.reaction.call?.name } : {};
  return { ...common, ...times, ...failed, ...(payloads ? { result: done.result } : {}) };
}

/** Milliseconds with three digits behind the point, from times with up to microseconds. */
export function betweenMs(from: string, to: string): number {
  const micros = (text: string): number =>
    Date.parse(`${text.slice(0, 19)}Z`) * 1_000 + Number((/\.(\d{1,6})/.exec(text)?.[1] ?? '0').padEnd(6, '0'));
  return (micros(to) - micros(from)) / 1_000;
}

export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${(ms / 60_000).toFixed(1)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}
