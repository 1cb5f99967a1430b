import { ClassifiedError } from '../../core/errors.ts';
import { utf8Text } from '../../core/record.ts';
import type { Relation } from '../replication/pgoutput.ts';
import { tupleColumns } from '../replication/pgoutput.ts';

const REQUIRED = [
  'id',
  'aggregatetype',
  'aggregateid',
  'type',
  'payload',
  'trace_id',
  'created_at',
  'topic',
  'stream_id',
  'version',
] as const;
const OPTIONAL = ['request_id', 'traceparent', 'tracestate', 'correlation_id', 'causation_id'] as const;
type ColumnName = (typeof REQUIRED)[number] | (typeof OPTIONAL)[number];

/** A row of an outbox: the server's text of each column as bytes; null for SQL NULL and for a column that the table has not. */
export type OutboxRow = Readonly<Record<ColumnName, Uint8Array | null>> & {
  /** The payload column is `bytea`: its value is ready for the topic and is copied as it is. */
  readonly payloadIsBinary: boolean;
};

const BYTEA_OID = 17;

/** Where an outbox keeps its columns: read once for each definition of the table that the server sends. */
export interface OutboxLayout {
  readonly indexes: Readonly<Record<ColumnName, number | undefined>>;
  readonly payloadIsBinary: boolean;
}

/** Columns are found by name; ones that are not known here are left alone, so that a table may grow. */
export function outboxLayout(relation: Relation): OutboxLayout {
  const indexes = {} as Record<ColumnName, number | undefined>;
  for (const name of [...REQUIRED, ...OPTIONAL]) {
    const index = relation.columns.findIndex((column) => column.name === name);
    indexes[name] = index < 0 ? undefined : index;
  }
  const payload = indexes.payload === undefined ? undefined : relation.columns[indexes.payload];
  return { indexes, payloadIsBinary: payload?.typeOid === BYTEA_OID };
}

/** Never judges: a row that cannot be published must still be read, to be kept as a dead letter. */
export function readOutboxRow(layout: OutboxLayout, tuple: Buffer): OutboxRow {
  const columns = tupleColumns(tuple);
  const at = (name: ColumnName): Uint8Array | null => {
    const index = layout.indexes[name];
    return index === undefined ? null : (columns[index] ?? null);
  };
  const payload = at('payload');
  return {
    id: at('id'),
    aggregatetype: at('aggregatetype'),
    aggregateid: at('aggregateid'),
    type: at('type'),
    payload: layout.payloadIsBinary && payload !== null ? bytesOfHex(payload) : payload,
    trace_id: at('trace_id'),
    created_at: at('created_at'),
    topic: at('topic'),
    stream_id: at('stream_id'),
    version: at('version'),
    request_id: at('request_id'),
    traceparent: at('traceparent'),
    tracestate: at('tracestate'),
    correlation_id: at('correlation_id'),
    causation_id: at('causation_id'),
    payloadIsBinary: layout.payloadIsBinary,
  };
}

/** A row of which nothing can be told but its bytes. */
export function unreadableRow(tuple: Uint8Array): OutboxRow {
  const nothing = Object.fromEntries([...REQUIRED, ...OPTIONAL].map((name) => [name, null])) as Record<ColumnName, null>;
  return { ...nothing, payload: tuple, payloadIsBinary: true };
}

/**
 * The value of a column that every event has.
 * @throws ClassifiedError ENVELOPE_INVALID naming the column, never a value.
 */
export function requiredColumn(row: OutboxRow, name: (typeof REQUIRED)[number]): Uint8Array {
  const value = row[name];
  if (value === null || value.length === 0) throw new ClassifiedError('ENVELOPE_INVALID', `the outbox row has no ${name}`);
  return value;
}

/** PostgreSQL prints bytes as `\x` and two digits each. */
function bytesOfHex(text: Uint8Array): Uint8Array {
  return Buffer.from(utf8Text(text.subarray(2)), 'hex');
}
