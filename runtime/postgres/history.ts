import type { History, HistoryQuery } from '../../core/define-projection.ts';
import type { EventDefinition } from '../../core/define.ts';
import type { EventRecord } from '../../core/envelope.ts';
import { eventId, streamVersion } from '../../core/envelope.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Database } from './database.ts';
import { recordKey } from './event-rows.ts';
import { qualified } from './identifiers.ts';

export interface StoredEventRow {
  readonly event_id: string;
  readonly aggregate_id: string;
  readonly sequence_number: bigint;
  readonly event_type: string;
  readonly payload: unknown;
  readonly metadata: Readonly<Partial<Record<string, string>>>;
  readonly created_at: string;
}

/** What a writer without a trace has: W3C's invalid id, which joins no trace. */
const NO_TRACE = '0'.repeat(32);

/**
 * The event stores of the domains, read as events that came over the broker are: same envelope, same payload, same
 * time. Ordered by time and, within a stream, by version.
 */
export function createHistory(options: {
  readonly databases: ReadonlyMap<string, Database>;
  readonly catalogue: ReadonlyMap<string, EventDefinition>;
}): History {
  return {
    async events(query: HistoryQuery): Promise<readonly EventRecord[]> {
      const database = options.databases.get(query.domain);
      if (database === undefined)
        throw new ClassifiedError('CONFIGURATION_INVALID', `no database is configured for domain ${query.domain}`);
      const { text, values } = historyStatement(query);
      const rows = await database.query<StoredEventRow>(text, values);
      return rows.map((row) => eventRecord(row, options.catalogue.get(row.event_type)));
    },
  };
}

function historyStatement(query: HistoryQuery): { readonly text: string; readonly values: readonly unknown[] } {
  const values: unknown[] = [query.types];
  const conditions = ['event_type = ANY($1::varchar[])'];
  const where = (condition: (parameter: string) => string, value: string | undefined): void => {
    if (value === undefined) return;
    values.push(value);
    conditions.push(condition(`$${values.length}`));
  };
  where((parameter) => `aggregate_type = ${parameter}`, query.aggregateType);
  where((parameter) => `aggregate_id = ${parameter}`, query.aggregateId);
  where((parameter) => `created_at >= ${parameter}::timestamptz`, query.occurredFrom);
  where((parameter) => `created_at < ${parameter}::timestamptz`, query.occurredBefore);
  // The running maximum keeps the versions of a stream in order even where the server's clock went back between two of them.
  const text = `
SELECT event_id, aggregate_id, sequence_number, event_type, payload, metadata, created_at
FROM (
  SELECT *, max(created_at) OVER (PARTITION BY aggregate_type, aggregate_id ORDER BY sequence_number) AS reached_at
  FROM ${qualified(query.domain, 'events')} WHERE ${conditions.join(' AND ')}
) AS found
ORDER BY reached_at, aggregate_type, aggregate_id, sequence_number`;
  return { text, values };
}

/** @throws ClassifiedError EVENT_UNKNOWN, ENVELOPE_INVALID, PAYLOAD_INVALID */
export function eventRecord(row: StoredEventRow, definition: EventDefinition | undefined): EventRecord {
  if (definition === undefined) throw new ClassifiedError('EVENT_UNKNOWN', `event ${row.event_type} is stored and declared by no domain`);
  const { metadata } = row;
  return {
    id: eventId(row.event_id),
    type: row.event_type,
    aggregateType: definition.domain,
    aggregateId: recordKey(definition, row.payload),
    streamId: row.aggregate_id,
    version: streamVersion(row.sequence_number),
    traceId: metadata['trace_id'] ?? NO_TRACE,
    requestId: metadata['request_id'],
    traceparent: metadata['traceparent'],
    tracestate: metadata['tracestate'],
    correlationId: metadata['correlation_id'],
    causationId: metadata['causation_id'],
    occurredAt: row.created_at,
    payload: row.payload,
  };
}
