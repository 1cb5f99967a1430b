import type { Dependency } from './dependency.ts';

/**
 * The errors of the pipeline as one table: a stable code, what happens to the record that met it, and a sentence that
 * tells the operator what to do. There is no default: a new code does not compile until it has its row.
 *
 * - `retry-now`: transient by nature (serialization failure, deadlock); tried again at once, a few times.
 * - `retry-ladder`: may pass later; attempts are counted and spaced (10 s, 60 s, 300 s).
 * - `dead-letter`: this record will never pass; it goes to the dead-letter topic with its bytes.
 * - `outage`: a dependency is away; intake waits, no attempt is used up, nothing is dead-lettered, unless the dependency keeps
 *   answering others between the tries of one record: then that is the record's failure and takes the ladder.
 * - `fatal`: the process cannot go on (a bug or a wrong configuration); it stops with the sentence.
 */
export type ErrorDisposition = 'retry-now' | 'retry-ladder' | 'dead-letter' | 'outage' | 'fatal';

interface ErrorRow {
  readonly disposition: ErrorDisposition;
  readonly remedy: string;
  /** What said so. Left out: nothing beside the record, or the error itself says it. */
  readonly dependency?: Dependency;
  /** One record that meets it is unlucky or poison; when many keys do, the dependency is away. */
  readonly mayBeOutage?: true;
  /** An outage when it meets everybody; while others are answered it is about what this record asked for. */
  readonly mayBeRecord?: true;
}

export const ERRORS = {
  POSTGRES_SERIALIZATION: { disposition: 'retry-now', dependency: 'postgres', remedy: 'Nothing to do: the transaction is run again.' },
  VERSION_CONFLICT: {
    disposition: 'retry-now',
    dependency: 'postgres',
    remedy: 'Nothing to do: the aggregate is loaded and decided again.',
  },
  LOCK_TIMEOUT: {
    disposition: 'retry-ladder',
    dependency: 'postgres',
    remedy: 'Another transaction held the lock that the decision needs for too long; look for a transaction that hangs.',
  },
  POSTGRES_UNAVAILABLE: {
    disposition: 'outage',
    dependency: 'postgres',
    remedy: 'Bring PostgreSQL back; check the database URL and the connection limit.',
  },
  KAFKA_UNAVAILABLE: { disposition: 'outage', dependency: 'kafka', remedy: 'Bring the Kafka brokers back; check KAFKA_BROKERS.' },
  REGISTRY_UNAVAILABLE: {
    disposition: 'outage',
    dependency: 'registry',
    remedy: 'Bring the schema registry back; check SCHEMA_REGISTRY_URL.',
  },
  REDIS_UNAVAILABLE: {
    disposition: 'outage',
    dependency: 'redis',
    remedy: 'Bring Redis back, or give it memory (noeviction refuses writes when full).',
  },
  ELASTICSEARCH_UNAVAILABLE: {
    disposition: 'outage',
    dependency: 'elasticsearch',
    remedy: 'Bring Elasticsearch back; check disk watermarks, rejected writes and missing indices.',
  },
  CALL_UNAVAILABLE: {
    disposition: 'outage',
    dependency: 'service',
    remedy: 'Bring the called service back; check its URL and its limits.',
  },
  CALL_NOT_FOUND: {
    disposition: 'outage',
    dependency: 'service',
    mayBeRecord: true,
    remedy: 'The called service knows no such place: check its URL; when it answers others, what this record names is gone.',
  },
  CALL_REJECTED: {
    disposition: 'dead-letter',
    remedy: 'The called service refused this input; look at the record in the dead-letter topic.',
  },
  CALL_FAILED: {
    disposition: 'retry-ladder',
    mayBeOutage: true,
    remedy: 'The called service failed for this record; look at its logs by trace id.',
  },
  HANDLER_TIMEOUT: {
    disposition: 'retry-ladder',
    mayBeOutage: true,
    remedy: 'The handler did not end within its deadline; look at its dependencies.',
  },
  HANDLER_FAILED: { disposition: 'retry-ladder', remedy: 'Look at the error in the log by trace id; replay the record after the fix.' },
  PARKING_FULL: {
    disposition: 'outage',
    dependency: 'parking',
    remedy: 'So many keys wait for a retry that something they share must be broken: run `millrace parked list` and look at the errors.',
  },
  PARKING_REFUSED: {
    disposition: 'dead-letter',
    remedy: 'PostgreSQL refuses to keep this record for its retry (what it holds, or a constraint); mend the cause and replay the letter.',
  },
  DECISION_FAILED: {
    disposition: 'dead-letter',
    remedy: 'A decision threw: this is a bug of the processor; fix it and replay the record.',
  },
  STATE_INVALID: {
    disposition: 'dead-letter',
    dependency: 'postgres',
    remedy: 'PostgreSQL refused the row (constraint or type); fix the processor and replay the record.',
  },
  STATEMENT_FAILED: {
    disposition: 'retry-ladder',
    dependency: 'postgres',
    mayBeOutage: true,
    remedy:
      'PostgreSQL cannot run the statement. SQLSTATE 42…: a column, function or type is missing, run `millrace apply`; XX…: look at the log of the server.',
  },
  PAYLOAD_UNREADABLE: {
    disposition: 'dead-letter',
    remedy: 'The value is neither an Avro frame nor JSON of this event; find its producer.',
  },
  PAYLOAD_INVALID: { disposition: 'dead-letter', remedy: 'The payload does not fit the schema of its event; find its producer.' },
  SCHEMA_UNKNOWN: {
    disposition: 'retry-ladder',
    dependency: 'registry',
    mayBeOutage: true,
    remedy: 'The schema id is not in the registry; register it or find the producer.',
  },
  ENVELOPE_INVALID: { disposition: 'dead-letter', remedy: 'A required header is missing or malformed; find the producer of this record.' },
  EVENT_UNKNOWN: { disposition: 'dead-letter', remedy: 'No definition of this event type; deploy the version that knows it, then replay.' },
  EVENT_FORGOTTEN: {
    disposition: 'dead-letter',
    remedy:
      'It came after the inbox had forgotten whether it was handled (a repair, or offsets that were set back): find out, then `millrace dlt replay --accept-double-effects` or `dlt purge`.',
  },
  EVENT_UNROUTABLE: {
    disposition: 'dead-letter',
    remedy: 'The outbox row names no topic that this pipeline declares; fix the row or declare the event.',
  },
  RECORD_TOO_LARGE: {
    disposition: 'dead-letter',
    remedy: 'The record is larger than the topic allows; raise max.message.bytes or store the body elsewhere.',
  },
  RECORD_REJECTED: {
    disposition: 'dead-letter',
    remedy: 'Kafka refuses the record itself (timestamp or format); look at the topic settings and at what made the record.',
  },
  DOCUMENT_INVALID: {
    disposition: 'dead-letter',
    remedy: 'The read model refused the document (mapping); fix the projection and replay the record.',
  },
  CONNECT_UNAVAILABLE: { disposition: 'outage', remedy: 'Bring Kafka Connect back; check KAFKA_CONNECT_URL.' },
  CONNECTOR_REFUSED: {
    disposition: 'fatal',
    remedy: 'Kafka Connect refuses the connector; read its reason, and the plugins and config providers of its worker.',
  },
  CONNECTOR_MISSING: { disposition: 'fatal', remedy: 'Run `millrace apply`, or `millrace connect apply`.' },
  SLOT_MISSING: {
    disposition: 'fatal',
    remedy: 'For a new domain run `millrace apply`; if the slot existed before, run `millrace slot repair --dry-run`.',
  },
  SLOT_LOST: {
    disposition: 'fatal',
    remedy: 'The server gave the slot up (WAL limit or idle timeout); run `millrace slot repair --dry-run`, then `--apply`.',
  },
  SLOT_YOUNGER: {
    disposition: 'fatal',
    remedy: 'Rows that were committed before the slot was made are not in it; run `millrace slot repair --dry-run`, then `--apply`.',
  },
  SLOT_RECREATED: {
    disposition: 'fatal',
    remedy: 'Somebody made this slot anew, and what committed before is not in it; run `millrace slot repair --dry-run`, then `--apply`.',
  },
  SLOT_AHEAD: {
    disposition: 'fatal',
    remedy: 'Something else than the relay moved the slot forward; find it, then run `millrace slot repair --dry-run` and `--apply`.',
  },
  SLOT_BEHIND: {
    disposition: 'outage',
    remedy: 'Let the reader of the slot catch up and try again; or stop it, and close the gap with `millrace slot repair`.',
  },
  DATABASE_FAILED_OVER: {
    disposition: 'fatal',
    remedy: 'The promoted standby lacks rows that are published; run `millrace slot repair --dry-run` to see them, then `--apply`.',
  },
  DATABASE_RESTORED: {
    disposition: 'fatal',
    remedy:
      'If the restore was meant, run `millrace slot repair --dry-run`, then `--apply --confirm-restore`; else point to the right server.',
  },
  DATABASE_FOREIGN: {
    disposition: 'fatal',
    remedy:
      'Check the database URL; if the domain was moved to this server, run `millrace slot repair --dry-run`, then `--apply --confirm-restore`.',
  },
  TOPIC_MISSING: {
    disposition: 'fatal',
    remedy: 'A topic was deleted; `millrace slot repair --apply` makes it again and fills it from the outbox.',
  },
  TOPIC_RECREATED: {
    disposition: 'fatal',
    remedy: 'A topic was deleted and made again; `millrace slot repair --apply` fills it from the outbox.',
  },
  TOPIC_TRUNCATED: {
    disposition: 'fatal',
    remedy: 'Records that should still be kept are gone from a topic; `millrace slot repair --apply` fills it from the outbox.',
  },
  CAPTURE_MEMORY_LOST: {
    disposition: 'fatal',
    remedy:
      'Kafka was wiped, or is another cluster than before; check KAFKA_BROKERS, then run `millrace slot repair --dry-run` and `--apply`.',
  },
  PUBLICATION_MISSING: {
    disposition: 'fatal',
    remedy: 'Rows committed without it are not in the slot; run `millrace slot repair --dry-run`, then `--apply`.',
  },
  PUBLICATION_YOUNGER: {
    disposition: 'fatal',
    remedy: 'The slot will never see a publication that was made after it; run `millrace slot repair --dry-run`, then `--apply`.',
  },
  PUBLICATION_CHANGED: {
    disposition: 'fatal',
    remedy: 'Rows may have been hidden from the slot meanwhile; run `millrace slot repair --dry-run`, then `--apply`.',
  },
  REPAIR_RUNNING: { disposition: 'fatal', remedy: 'Wait until the other repair of this domain has ended, then look again.' },
  REPAIR_NEEDS_CONFIRMATION: {
    disposition: 'fatal',
    remedy: 'Read the plan of `millrace slot repair --dry-run`; if the database is meant to be as it is, add --confirm-restore.',
  },
  SLOT_IN_USE: { disposition: 'outage', remedy: 'Another relay holds the slot; this one waits as a standby.' },
  CONSUMER_STALLED: {
    disposition: 'fatal',
    remedy: 'Let the process be started again; if it happens again, look at how the partitions stand in the log before this line.',
  },
  CONFIGURATION_INVALID: { disposition: 'fatal', remedy: 'Correct the settings that the message lists.' },
  UNCLASSIFIED: {
    disposition: 'retry-ladder',
    remedy: 'An error without a row in the table; look at the log by trace id and classify it.',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERRORS, text);
}

/** What a dead letter can have met: an outage is waited for, and what is fatal stops the process. */
export const LETTER_CODES: readonly ErrorCode[] = Object.keys(ERRORS)
  .filter(isErrorCode)
  .filter((code) => ERRORS[code].disposition !== 'outage' && ERRORS[code].disposition !== 'fatal');

/**
 * An error with its place in the table. The message says what happened in words of the pipeline and never holds a
 * payload, a secret or a driver's text (drivers echo rows); the driver's error stays in `cause`.
 */
export class ClassifiedError extends Error {
  readonly code: ErrorCode;
  /** What is to blame when it is not the record. */
  readonly dependency: Dependency | undefined;

  constructor(code: ErrorCode, message: string, options: { readonly cause?: unknown; readonly dependency?: Dependency | undefined } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    const row: ErrorRow = ERRORS[code];
    this.name = 'ClassifiedError';
    this.code = code;
    this.dependency = options.dependency ?? row.dependency;
  }

  /** The record may be to blame, or the dependency: what happens to others tells. */
  get mayBeOutage(): boolean {
    const row: ErrorRow = ERRORS[this.code];
    return row.mayBeOutage === true;
  }

  /** Nobody is answered, or this record asks for what is not there: what happens to others tells. */
  get mayBeRecord(): boolean {
    const row: ErrorRow = ERRORS[this.code];
    return row.mayBeRecord === true;
  }

  get disposition(): ErrorDisposition {
    return ERRORS[this.code].disposition;
  }

  get remedy(): string {
    return ERRORS[this.code].remedy;
  }
}

/** Anything thrown becomes a classified error; what is not classified yet gets the code given here. */
export function classified(thrown: unknown, code: ErrorCode, message: string): ClassifiedError {
  return thrown instanceof ClassifiedError ? thrown : new ClassifiedError(code, message, { cause: thrown });
}
