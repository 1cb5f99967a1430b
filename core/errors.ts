/**
 * The errors of the pipeline as one table: a stable code, what happens to the record that met it, and a sentence that
 * tells the operator what to do. There is no default: a new code does not compile until it has its row.
 *
 * - `retry-now`: transient by nature (serialization failure, deadlock); tried again at once, a few times.
 * - `retry-ladder`: may pass later; attempts are counted and spaced (10 s, 60 s, 300 s).
 * - `dead-letter`: this record will never pass; it goes to the dead-letter topic with its bytes.
 * - `outage`: a dependency is away; intake waits, no attempt is used up, nothing is dead-lettered.
 * - `fatal`: the process cannot go on (a bug or a wrong configuration); it stops with the sentence.
 */
export type ErrorDisposition = 'retry-now' | 'retry-ladder' | 'dead-letter' | 'outage' | 'fatal';

interface ErrorRow {
  readonly disposition: ErrorDisposition;
  readonly remedy: string;
}

export const ERRORS = {
  POSTGRES_SERIALIZATION: { disposition: 'retry-now', remedy: 'Nothing to do: the transaction is run again.' },
  VERSION_CONFLICT: { disposition: 'retry-now', remedy: 'Nothing to do: the aggregate is loaded and decided again.' },
  POSTGRES_UNAVAILABLE: { disposition: 'outage', remedy: 'Bring PostgreSQL back; check the database URL and the connection limit.' },
  KAFKA_UNAVAILABLE: { disposition: 'outage', remedy: 'Bring the Kafka brokers back; check KAFKA_BROKERS.' },
  REGISTRY_UNAVAILABLE: { disposition: 'outage', remedy: 'Bring the schema registry back; check SCHEMA_REGISTRY_URL.' },
  REDIS_UNAVAILABLE: { disposition: 'outage', remedy: 'Bring Redis back, or give it memory (noeviction refuses writes when full).' },
  ELASTICSEARCH_UNAVAILABLE: {
    disposition: 'outage',
    remedy: 'Bring Elasticsearch back; check disk watermarks, rejected writes and missing indices.',
  },
  CALL_UNAVAILABLE: { disposition: 'outage', remedy: 'Bring the called service back; check its URL and its limits.' },
  CALL_REJECTED: {
    disposition: 'dead-letter',
    remedy: 'The called service refused this input; look at the record in the dead-letter topic.',
  },
  CALL_FAILED: { disposition: 'retry-ladder', remedy: 'The called service failed for this record; look at its logs by trace id.' },
  HANDLER_TIMEOUT: { disposition: 'retry-ladder', remedy: 'The handler did not end within its deadline; look at its dependencies.' },
  HANDLER_FAILED: { disposition: 'retry-ladder', remedy: 'Look at the error in the log by trace id; replay the record after the fix.' },
  DECISION_FAILED: {
    disposition: 'dead-letter',
    remedy: 'A decision threw: this is a bug of the processor; fix it and replay the record.',
  },
  STATE_INVALID: {
    disposition: 'dead-letter',
    remedy: 'PostgreSQL refused the row (constraint or type); fix the processor and replay the record.',
  },
  PAYLOAD_UNREADABLE: {
    disposition: 'dead-letter',
    remedy: 'The value is neither an Avro frame nor JSON of this event; find its producer.',
  },
  PAYLOAD_INVALID: { disposition: 'dead-letter', remedy: 'The payload does not fit the schema of its event; find its producer.' },
  SCHEMA_UNKNOWN: { disposition: 'retry-ladder', remedy: 'The schema id is not in the registry; register it or find the producer.' },
  ENVELOPE_INVALID: { disposition: 'dead-letter', remedy: 'A required header is missing or malformed; find the producer of this record.' },
  EVENT_UNKNOWN: { disposition: 'dead-letter', remedy: 'No definition of this event type; deploy the version that knows it, then replay.' },
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
  SLOT_MISSING: {
    disposition: 'fatal',
    remedy: 'Run `millrace apply`; if the slot existed before, read docs/operations.md on repair first.',
  },
  SLOT_LOST: {
    disposition: 'fatal',
    remedy: 'The slot was invalidated by WAL limits; read docs/operations.md on repair before making a new one.',
  },
  PUBLICATION_MISSING: { disposition: 'fatal', remedy: 'Run `millrace apply`; the publication must exist before its slot.' },
  SLOT_IN_USE: { disposition: 'outage', remedy: 'Another relay holds the slot; this one waits as a standby.' },
  CONFIGURATION_INVALID: { disposition: 'fatal', remedy: 'Correct the settings that the message lists.' },
  UNCLASSIFIED: {
    disposition: 'retry-ladder',
    remedy: 'An error without a row in the table; look at the log by trace id and classify it.',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/**
 * An error with its place in the table. The message says what happened in words of the pipeline and never holds a
 * payload, a secret or a driver's text (drivers echo rows); the driver's error stays in `cause`.
 */
export class ClassifiedError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'ClassifiedError';
    this.code = code;
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
