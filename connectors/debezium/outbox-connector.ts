import { CONTENT_TYPE_AVRO, CONTENT_TYPE_JSON, ENVELOPE_HEADERS } from '../../core/envelope.ts';
import type { Names } from '../../core/names.ts';
import type { Chain, Connector, ConnectorDatabase } from './connector.ts';
import { chainConfig, escaped, reroute, sourceConfig, topicMatches } from './connector.ts';

export interface OutboxConnectorOptions {
  readonly domain: string;
  readonly names: Names;
  readonly database: ConnectorDatabase;
  /** What follows `events.` in the names of the topics that the pipeline declares. */
  readonly routes: readonly string[];
  /** The type of the outbox's payload column. */
  readonly payload: 'jsonb' | 'bytea';
  readonly failoverSlot: boolean;
}

/**
 * The rule of connectors/outbox/route.ts as a configuration of Debezium's outbox event router: same slot and publication as
 * the domain's relay, same topics, keys, headers and value bytes. Where the two differ, differences.ts says how and why.
 */
export function outboxConnector({ domain, names, database, routes, payload, failoverSlot }: OutboxConnectorOptions): Connector {
  const name = names.connector(domain);
  return {
    name,
    config: {
      ...sourceConfig({
        name,
        database,
        slot: names.slot(domain),
        failoverSlot,
        publication: names.publication(domain),
        tables: [`${domain}.outbox`],
      }),
      // History is never published again: without an offset the stream begins where the slot stands.
      'snapshot.mode': 'no_data',
      'skipped.operations': 'u,d,t',
      'key.converter': STRING,
      ...converters(payload),
      'header.converter': STRING,
      ...chainConfig(chain(names, domain, routes, payload)),
    },
  };
}

const STRING = 'org.apache.kafka.connect.storage.StringConverter';

/** PostgreSQL's own text of a jsonb, or the bytes as they are: neither is parsed on the way. */
function converters(payload: 'jsonb' | 'bytea'): Record<string, string> {
  if (payload === 'jsonb') return { 'value.converter': STRING };
  return {
    'value.converter': 'io.debezium.converters.BinaryDataConverter',
    'value.converter.delegate.converter.type': STRING,
    'binary.handling.mode': 'bytes',
  };
}

function chain(names: Names, domain: string, routes: readonly string[], payload: 'jsonb' | 'bytea'): Chain {
  const letters = names.captureDeadLetterTopic(domain);
  const declared = [...routes.map((route) => names.eventTopic(route)), letters].map(escaped).join('|');
  const empty = { predicate: 'empty' };
  const undeclared = { predicate: 'declared', negate: 'true' };
  return {
    transforms: [
      ['outbox', eventRouter(names)],
      ['contentType', insertHeader('content-type', payload === 'jsonb' ? CONTENT_TYPE_JSON : CONTENT_TYPE_AVRO)],
      // What cannot be an event goes to the capture's dead letters, as the relay sends it there.
      ['emptyWhy', { ...insertHeader('dlt-error-code', 'PAYLOAD_INVALID'), ...empty }],
      ['emptyWhere', { ...reroute('.*', letters), ...empty }],
      ['undeclaredWhy', { ...insertHeader('dlt-error-code', 'EVENT_UNROUTABLE'), ...undeclared }],
      ['undeclaredWhere', { ...reroute('.*', letters), ...undeclared }],
    ],
    predicates: {
      empty: { type: 'org.apache.kafka.connect.transforms.predicates.RecordIsTombstone' },
      declared: topicMatches(declared),
    },
  };
}

function eventRouter(names: Names): Record<string, string> {
  return {
    type: 'io.debezium.transforms.outbox.EventRouter',
    'table.field.event.id': 'id',
    'table.field.event.key': 'aggregateid',
    'table.field.event.payload': 'payload',
    'table.fields.additional.placement': placements(),
    'table.field.additional.missing': 'ignore',
    'table.expand.json.payload': 'false',
    'table.op.invalid.behavior': 'fatal',
    'route.by.field': 'topic',
    'route.topic.replacement': names.eventTopic('${routedByValue}'),
    'route.tombstone.on.empty.payload': 'false',
    'tracing.span.context.field': 'tracingspancontext',
  };
}

/** The router places `id` by itself and first; the content type follows from the column's type, after all others. */
function placements(): string {
  return ENVELOPE_HEADERS.filter((header) => header !== 'id' && header !== 'content-type')
    .map((header) => (header === 'occurred_at' ? 'created_at:header:occurred_at' : `${header}:header`))
    .join(',');
}

function insertHeader(header: string, value: string): Record<string, string> {
  return { type: 'org.apache.kafka.connect.transforms.InsertHeader', header, 'value.literal': value };
}
