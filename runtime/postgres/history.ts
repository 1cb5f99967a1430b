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

const COLUMNS = 'event_id, aggregate_id, sequence_number, event_type, payload, metadata, created_at';
/** Some milliseconds of a statement, and some megabytes. */
const PAGE_MAX = 5_000;

/** What a writer without a trace has: W3C's invalid id, which joins no trace. */
const NO_TRACE = '0'.repeat(32);

/**
 * The event stores of the domains, read as events that came over the broker are: same envelope, same payload, same
 * time. Ordered by time and, within a stream, by version.
 */
export function createHistory(options: {
  readonly databases: ReadonlyMap<string, Database>;
  readonly catalogue: ReadonlyMap<string, EventDefinition>;
  /** Events that one statement of `pages` reads. */
  readonly pageMax?: number;
}): History {
  const { databases, catalogue, pageMax = PAGE_MAX } = options;
  const read = async (query: HistoryQuery, { text, values }: Statement): Promise<readonly StoredEventRow[]> => {
    const database = databases.get(query.domain);
    if (database === undefined) throw new ClassifiedError('CONFIGURATION_INVALID', `no database is configured for domain ${query.domain}`);
    return database.query<StoredEventRow>(text, values);
  };
  const record = (row: StoredEventRow): EventRecord => eventRecord(row, catalogue.get(row.event_type));
  return {
    events: async (query) => (await read(query, historyStatement(query))).map(record),
    async *pages(query) {
      let last: StoredEventRow | undefined;
      do {
        const rows = await read(query, pageStatement(query, last, pageMax));
        if (rows.length > 0) yield rows.map(record);
        last = rows.length < pageMax ? undefined : rows.at(-1);
      } while (last !== undefined);
    },
  };
}

interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** What is committed meanwhile behind the position is missed: it is delivered after this. */
function pageStatement(query: HistoryQuery, after: StoredEventRow | undefined, pageMax: number): Statement {
  const { conditions, values } = conditionsOf(query);
  if (after !== undefined) {
    values.push(after.created_at, after.event_id);
    // The first half alone lets the index begin where the last page ended.
    const [at, id] = [`$${values.length - 1}::timestamptz`, `$${values.length}::uuid`];
    conditions.push(`created_at >= ${at} AND (created_at, event_id) > (${at}, ${id})`);
  }
  const text = `
SELECT ${COLUMNS} FROM ${qualified(query.domain, 'events')} WHERE ${conditions.join(' AND ')}
ORDER BY created_at, event_id LIMIT ${pageMax}`;
  return { text, values };
}

function conditionsOf(query: HistoryQuery): { readonly conditions: string[]; readonly values: unknown[] } {
  const [type, ...others] = query.types;
  // Of one type the index yields the events in the order of their times, in every version of the server.
  const isOne = type !== undefined && others.length === 0;
  const values: unknown[] = [isOne ? type : query.types];
  const conditions = [isOne ? 'event_type = $1' : 'event_type = ANY($1::varchar[])'];
  const where = (condition: (parameter: string) => string, value: string | undefined): void => {
    if (value === undefined) return;
    values.push(value);
    conditions.push(condition(`$${values.length}`));
  };
  where((parameter) => `aggregate_type = ${parameter}`, query.aggregateType);
  where((parameter) => `aggregate_id = ${parameter}`, query.aggregateId);
  where((parameter) => `created_at >= ${parameter}::timestamptz`, query.occurredFrom);
  where((parameter) => `created_at < ${parameter}::timestamptz`, query.occurredBefore);
  return { conditions, values };
}

function historyStatement(query: HistoryQuery): Statement {
  const { conditions, values } = conditionsOf(query);
  // The running maximum keeps the versions of a stream in order even where the server's clock went back between two of them.
  const text = `
SELECT ${COLUMNS}
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
