import type { Lane } from './lane.ts';

/** `tuned`: for the lowest latency, which costs no throughput. `defaults`: what a connector does when nobody says anything. */
export type Tuning = 'tuned' | 'defaults';

const TUNED = { 'poll.interval.ms': '2', 'producer.override.linger.ms': '0' };

/** The header of each column is that of the relay, so that both sides write the same envelope. */
const HEADERS = [
  'type:header',
  'aggregatetype:header',
  'stream_id:header',
  'version:header',
  'trace_id:header',
  'request_id:header',
  'created_at:header:occurred_at',
];

/** The outbox router of Debezium on a lane: the same slot, publication, topic, key, value and headers as the relay's. */
export function connectorConfig(lane: Lane, database: URL, tuning: Tuning): Record<string, string> {
  return {
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'tasks.max': '1',
    'plugin.name': 'pgoutput',
    'database.hostname': database.hostname,
    'database.port': database.port,
    'database.user': decodeURIComponent(database.username),
    'database.password': decodeURIComponent(database.password),
    'database.dbname': database.pathname.slice(1),
    'topic.prefix': lane.names.namespace,
    'slot.name': lane.slot,
    'publication.name': lane.publication,
    'publication.autocreate.mode': 'disabled',
    'table.include.list': `${lane.domain}.outbox`,
    'snapshot.mode': 'no_data',
    'tombstones.on.delete': 'false',
    transforms: 'outbox',
    'transforms.outbox.type': 'io.debezium.transforms.outbox.EventRouter',
    'transforms.outbox.table.field.event.id': 'id',
    'transforms.outbox.table.field.event.key': 'aggregateid',
    'transforms.outbox.table.field.event.payload': 'payload',
    'transforms.outbox.route.by.field': 'topic',
    'transforms.outbox.route.topic.replacement': lane.names.eventTopic('${routedByValue}'),
    'transforms.outbox.table.fields.additional.placement': HEADERS.join(','),
    'transforms.outbox.table.expand.json.payload': 'false',
    'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
    ...(tuning === 'tuned' ? TUNED : {}),
  };
}
