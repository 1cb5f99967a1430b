import type { SagaDefinition } from '../../core/define.ts';
import type { Beginning } from '../postgres/flow-events.ts';
import type { FlowRow, WaitsFor } from '../postgres/flow-table.ts';
import type { ExpectedStep, Verdict } from './flow.ts';
import type { Whereabouts } from './whereabouts.ts';
import { whereaboutsText } from './whereabouts.ts';

/** A step that an unfinished flow waits for. */
export interface Waiting {
  readonly step: ExpectedStep;
  readonly group: string;
  readonly where: Whereabouts;
}

/** What is known of a flow beside how it stands. */
export type Begun = Pick<FlowRow, 'saga' | 'flow_id' | 'trace_id' | 'began_with' | 'began_domain' | 'began_at' | 'deadline_at' | 'looks'>;

/** An unfinished flow is looked at again after a quarter of its age, within these bounds: many that wait for one outage must not crowd out the rest. */
const LOOK_AGAIN_MIN_MS = 60_000;
const LOOK_AGAIN_MAX_MS = 15 * 60_000;

export function begun(saga: SagaDefinition, domain: string, { flowId, traceId, eventId, at }: Beginning): Begun {
  return {
    saga: saga.name,
    flow_id: flowId,
    trace_id: traceId ?? null,
    began_with: eventId,
    began_domain: domain,
    began_at: at,
    deadline_at: after(at, saga.deadlineMs),
    looks: 0,
  };
}

/** The row of a flow that was looked at now. Pure. */
export function rowOf(flow: Begun, verdict: Verdict, waiting: readonly Waiting[], now: string): FlowRow {
  const { saga, flow_id, trace_id, began_with, began_domain, began_at, deadline_at, looks } = flow;
  const common = { saga, flow_id, trace_id, began_with, began_domain, began_at, deadline_at, looks: looks + 1, looked_at: now };
  const untouched = { action: null, acted_at: null };
  if (verdict.status === 'ended') {
    return {
      ...common,
      ...untouched,
      status: 'ended',
      ended_as: verdict.end,
      ended_at: verdict.endedAt,
      waits_for: [],
      next_look_at: null,
    };
  }
  return {
    ...common,
    ...untouched,
    status: verdict.status,
    ended_as: null,
    ended_at: null,
    waits_for: waiting.map(waitsFor),
    next_look_at: nextLook(flow, verdict.status, now),
  };
}

/** As it was seen last; it could not be looked at now. */
export function postponed(row: FlowRow, now: string): FlowRow {
  return { ...row, looked_at: now, next_look_at: after(now, LOOK_AGAIN_MAX_MS) };
}

function waitsFor({ step: { event }, group, where }: Waiting): WaitsFor {
  return { group, event_id: event.id, event_type: event.type, where: where.kind, detail: whereaboutsText(where) };
}

function lookAgainMs({ began_at }: Begun, now: string): number {
  return Math.min(LOOK_AGAIN_MAX_MS, Math.max(LOOK_AGAIN_MIN_MS, (Date.parse(now) - Date.parse(began_at)) / 4));
}

/** ISO 8601 with the microseconds of the time that it is counted from. */
export function after(at: string, ms: number): string {
  return new Date(Date.parse(at) + ms)
    .toISOString()
    .replace(/\.(\d{3})Z$/, (_, millis: string) => `.${millis}${at.slice(23, -1) || '000'}Z`);
}

/** A running flow is looked at when it becomes overdue at the latest. */
function nextLook(flow: Begun, status: 'running' | 'overdue', now: string): string {
  const again = after(now, lookAgainMs(flow, now));
  return status === 'running' && flow.deadline_at < again ? flow.deadline_at : again;
}
