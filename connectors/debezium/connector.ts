import type { PublicationDeclaration } from '../replication/publication.ts';

/** What Kafka Connect is told of a connector. */
export interface Connector {
  readonly name: string;
  readonly config: ConnectorConfig;
}

/** Setting → value. A password is in none: it is named by a reference that Connect's worker resolves. */
export type ConnectorConfig = Readonly<Record<string, string>>;

/** A domain's database as Debezium reaches it. */
export interface ConnectorDatabase {
  /** The domain's own database; its password stays here. */
  readonly url: string;
  /** How Connect finds the password: `${file:/etc/millrace/secrets.properties:postgres.password}`. */
  readonly passwordReference: string;
  /** `host:port` as Connect sees the server, where that differs from the URL (containers). */
  readonly address?: string | undefined;
}

/** The longest a record waits in Debezium for company. More saves nothing: what has piled up is taken at once. */
const POLL_INTERVAL_MS = 2;
const HEARTBEAT_INTERVAL_MS = 10_000;
/** Debezium's own memory for records that Kafka has not taken yet. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;

export interface SourceSettings {
  readonly name: string;
  readonly database: ConnectorDatabase;
  readonly slot: string;
  /** From PostgreSQL 17 on: a slot that Debezium makes is kept on the standbys, too. */
  readonly failoverSlot: boolean;
  readonly publication: PublicationDeclaration['name'];
  /** `schema.table`, as Debezium's lists want them. */
  readonly tables: readonly string[];
}

/** What both kinds of connectors share: the connection, the slot, the position and the way to Kafka. */
export function sourceConfig({ name, database, slot, failoverSlot, publication, tables }: SourceSettings): Record<string, string> {
  return {
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'tasks.max': '1',
    ...connection(database),
    // Only its metrics and its change topics carry it, and no two connectors may share it.
    'topic.prefix': name,
    'plugin.name': 'pgoutput',
    'slot.name': slot,
    'slot.drop.on.stop': 'false',
    ...(failoverSlot ? { 'slot.failover': 'true' } : {}),
    'publication.name': publication,
    'publication.autocreate.mode': 'disabled',
    'table.include.list': tables.map(escaped).join(','),
    // A logical message would go to a topic that nobody makes, and the connector would wait for that topic.
    'message.prefix.exclude.list': '.*',
    // The slot is the only source of truth for the position, as it is for the relay: offsets of Connect never move it.
    'offset.mismatch.strategy': 'trust_slot',
    // An idle database does not keep its log: the driver answers keepalives, and heartbeats carry the position to Connect.
    'lsn.flush.mode': 'connector_and_driver',
    'heartbeat.interval.ms': String(HEARTBEAT_INTERVAL_MS),
    'tombstones.on.delete': 'false',
    'extended.headers.enabled': 'false',
    'errors.tolerance': 'none',
    'poll.interval.ms': String(POLL_INTERVAL_MS),
    'max.batch.size': '2048',
    'max.queue.size': '8192',
    'max.queue.size.in.bytes': String(QUEUE_BYTES_MAX),
    'producer.override.linger.ms': '0',
    // Connect switches it off for old brokers; a retry must not write a record twice.
    'producer.override.enable.idempotence': 'true',
  };
}

/** @throws RangeError when the URL names no database. */
function connection({ url, passwordReference, address }: ConnectorDatabase): Record<string, string> {
  const parsed = new URL(url);
  const [hostname, port] = address === undefined ? [parsed.hostname, parsed.port] : splitAddress(address);
  const database = decodeURIComponent(parsed.pathname.slice(1));
  if (database === '') throw new RangeError('the database URL names no database');
  const sslMode = parsed.searchParams.get('sslmode');
  return {
    'database.hostname': hostname,
    'database.port': port === '' ? '5432' : port,
    'database.user': decodeURIComponent(parsed.username),
    'database.password': passwordReference,
    'database.dbname': database,
    ...(sslMode === null ? {} : { 'database.sslmode': sslMode }),
  };
}

function splitAddress(address: string): [string, string] {
  const colon = address.lastIndexOf(':');
  return colon < 0 ? [address, ''] : [address.slice(0, colon), address.slice(colon + 1)];
}

/** Debezium's lists and Connect's routers take regular expressions. */
export function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

/** Transforms in their order, each with its settings, and the predicates that they name. */
export interface Chain {
  readonly transforms: readonly (readonly [name: string, settings: Readonly<Record<string, string>>])[];
  readonly predicates: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/**
 * The settings of a chain, which begins by dropping the heartbeats: their offset counts all the same, and no topic has to be
 * there for them.
 */
export function chainConfig({ transforms, predicates }: Chain): Record<string, string> {
  const steps = [['heartbeats', { type: 'org.apache.kafka.connect.transforms.Filter', predicate: 'heartbeat' }] as const, ...transforms];
  const conditions = { heartbeat: topicMatches(String.raw`__debezium-heartbeat\..*`), ...predicates };
  const config: Record<string, string> = {
    transforms: steps.map(([name]) => name).join(','),
    predicates: Object.keys(conditions).join(','),
  };
  for (const [name, settings] of steps) for (const [key, value] of Object.entries(settings)) config[`transforms.${name}.${key}`] = value;
  for (const [name, settings] of Object.entries(conditions))
    for (const [key, value] of Object.entries(settings)) config[`predicates.${name}.${key}`] = value;
  return config;
}

export function topicMatches(pattern: string): Record<string, string> {
  return { type: 'org.apache.kafka.connect.transforms.predicates.TopicNameMatches', pattern };
}

/** The whole name of the topic becomes another one. */
export function reroute(from: string, to: string): Record<string, string> {
  return { type: 'org.apache.kafka.connect.transforms.RegexRouter', regex: from, replacement: to };
}
