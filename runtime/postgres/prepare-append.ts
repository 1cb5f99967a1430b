import { isDeepStrictEqual } from 'node:util';
import type { PayloadValidator } from '../../core/codec.ts';
import type { AggregateDefinition, DomainDefinition, EventDefinition, NewEvent, StateChange, StoredEvent } from '../../core/define.ts';
import { eventId } from '../../core/envelope.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { decided } from './aggregate-loader.ts';
import type { EventRow } from './append-statement.ts';
import { eventRow } from './event-rows.ts';

export interface AppendSettings {
  readonly domain: DomainDefinition;
  /** All events by type; an event that is not in it cannot be appended. */
  readonly catalogue: ReadonlyMap<string, EventDefinition>;
  readonly validator: PayloadValidator;
  /** Ids of events; time-ordered ones keep the primary key's index dense. */
  readonly ids: () => string;
}

/** What an append writes, before any of it is written. */
export interface PreparedAppend {
  readonly rows: readonly EventRow[];
  /** The events as a later load will find them. */
  readonly stored: readonly StoredEvent[];
  /** Of the state tables, in order. */
  readonly changes: readonly StateChange[];
}

/**
 * @param at ISO 8601: when the events happen.
 * @throws ClassifiedError EVENT_UNKNOWN, DECISION_FAILED, PAYLOAD_INVALID, RECORD_TOO_LARGE: poison is found before anything is written.
 */
export function prepareAppend<S, E extends StoredEvent>(
  settings: AppendSettings,
  stream: { readonly aggregate: AggregateDefinition<S, E>; readonly id: string; readonly version: bigint },
  events: readonly NewEvent[],
  at: string,
): PreparedAppend {
  const { domain, catalogue, validator, ids } = settings;
  if (events.length > 0 && !domain.captured) {
    throw new ClassifiedError('DECISION_FAILED', `domain ${domain.name} is not captured: its events would never leave it`);
  }
  const rows = events.map((event, index) => {
    const place = { id: eventId(ids()), version: stream.version + BigInt(index) + 1n, domain: domain.name };
    const row = eventRow(event, catalogue.get(event.type), place);
    validator.validate(event.type, event.payload);
    return row;
  });
  const stored = rows.map((row) => ({ type: row.type, payload: row.payload, version: BigInt(row.version), occurredAt: at }));
  const changes = stored.flatMap((event) => decided(() => stream.aggregate.tables(event as StoredEvent as E, stream.id)));
  return { rows, stored, changes };
}

/** Whether an append passes a multiple of the interval. */
export function isSnapshotDue(every: number, before: bigint, after: bigint): boolean {
  return after / BigInt(every) !== before / BigInt(every);
}

/** The state as a snapshot keeps it; undefined, and logged, when JSON would make something else of it. */
export function snapshotJson(aggregateType: string, state: unknown, logger: Logger): string | undefined {
  const json = JSON.stringify(state);
  if (isDeepStrictEqual(JSON.parse(json), state)) return json;
  logger.warn({ aggregate: aggregateType }, 'the state does not survive JSON: no snapshot was made');
  return undefined;
}
