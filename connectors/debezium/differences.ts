/** Where Debezium's twin does not do what the relay does. The parity test uses this table, and docs/debezium.md shows it. */
export interface Difference {
  readonly id: string;
  readonly what: string;
  readonly relay: string;
  readonly debezium: string;
  readonly reason: string;
}

/** Differences that a reader can see in the records of one and the same transaction. */
export const RECORD_DIFFERENCES = [
  {
    id: 'null-headers',
    what: 'an optional header whose column is NULL',
    relay: 'left out',
    debezium: 'there, with a null value',
    reason: 'the router places every column, and no transform drops a header for its value; readers take a null header for a missing one',
  },
  {
    id: 'timestamp',
    what: "the record's timestamp",
    relay: 'the time of the commit',
    debezium: 'the time at which Debezium read the row',
    reason: "the router takes it from columns of Debezium's own types alone, and no column holds a commit's time; `occurred_at` is equal",
  },
  {
    id: 'dead-letters',
    what: 'the headers of a capture dead letter',
    relay: 'all `dlt-*` headers; `content-type` only with a payload',
    debezium: '`dlt-error-code` alone; `content-type` always',
    reason: 'transforms write fixed texts; topic, key, value and envelope are equal, and the row is in the outbox under its id',
  },
  {
    id: 'unframed-bytes',
    what: '`content-type` of a `bytea` payload without an Avro frame',
    relay: '`application/json`',
    debezium: '`application/vnd.confluent.avro`',
    reason: 'no transform looks into bytes; payloads are framed when they are appended, and readers look at the first byte themselves',
  },
] as const satisfies readonly Difference[];

/** Differences of how the two behave. */
const BEHAVIOUR_DIFFERENCES = [
  {
    id: 'avro-from-jsonb',
    what: 'a `jsonb` payload with `WIRE_FORMAT=avro`',
    relay: 'encoded by the schema of its event',
    debezium: 'the JSON text',
    reason:
      'a converter would infer a schema of its own from each payload; readers take both. A `bytea` payload, framed when appended, is Avro by both',
  },
  {
    id: 'too-large',
    what: 'a row that its topic refuses for its size',
    relay: 'a dead letter; the slot moves on',
    debezium: 'the task fails, and capture stands still until the topic allows more',
    reason: 'Connect has no dead letters for sources, and skipping would lose the row; the outbox refuses payloads above 900,000 bytes',
  },
  {
    id: 'incomplete-rows',
    what: 'a row without a key, an id or another required column',
    relay: 'a dead letter',
    debezium: 'published as it is',
    reason: "transforms cannot look at columns; the outbox's own constraints forbid such rows",
  },
  {
    id: 'messages',
    what: "an event without a table (`pg_logical_emit_message(true, 'millrace.outbox', …)`)",
    relay: 'published',
    debezium: 'left out',
    reason: "the router reads tables; a message would go to a topic of Debezium's own naming. Do not hand over a domain that emits them",
  },
  {
    id: 'position',
    what: 'how far the slot is confirmed',
    relay: 'what Kafka acknowledged, within 100 ms, and a second at most behind a look at the publication',
    debezium: "at Connect's `offset.flush.interval.ms`",
    reason: 'Connect tells its tasks what Kafka has at that pace; after a crash Debezium repeats more, and effects repeat by neither',
  },
  {
    id: 'publication-watch',
    what: 'a publication that is changed while it is read from',
    relay: 'found, and nothing is confirmed past it',
    debezium: 'not noticed',
    reason: 'Debezium looks at the publication when it starts',
  },
] as const satisfies readonly Difference[];

export const DIFFERENCES: readonly Difference[] = [...RECORD_DIFFERENCES, ...BEHAVIOUR_DIFFERENCES];

export type RecordDifference = (typeof RECORD_DIFFERENCES)[number]['id'];

/** As docs/debezium.md shows them. */
export function differencesTable(): string {
  const rows = DIFFERENCES.map(({ what, relay, debezium, reason }) => `| ${what} | ${relay} | ${debezium} | ${reason} |`);
  return ['| what | relay | Debezium | why |', '|---|---|---|---|', ...rows].join('\n');
}
