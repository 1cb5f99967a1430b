import type { ErrorCode } from '../../core/errors.ts';
import { ClassifiedError } from '../../core/errors.ts';

/** The unique key that makes appending optimistic: two writers of one version meet here. */
const STREAM_VERSION_CONSTRAINT = 'events_stream_version';
const PAYLOAD_SIZE_CONSTRAINT = 'outbox_payload_size';

/**
 * Gives an error of the driver or the server its place in the error table. Pure. The server's text may echo row values,
 * so that only names (SQLSTATE, table, column, constraint) survive, in the message and in the cause alike.
 */
export function classifyPostgresError(thrown: unknown): ClassifiedError {
  if (thrown instanceof ClassifiedError) return thrown;
  const server = serverError(thrown);
  if (server !== undefined) return classifyServerError(server);
  if (isConnectionError(thrown)) {
    return new ClassifiedError('POSTGRES_UNAVAILABLE', 'PostgreSQL cannot be reached, or gave no connection in time', { cause: thrown });
  }
  return new ClassifiedError('UNCLASSIFIED', 'PostgreSQL or its driver failed in an unknown way', { cause: thrown });
}

/** What the server said, without what the rows held. */
export class PostgresFault extends Error {
  readonly sqlState: string;

  constructor(sqlState: string, message: string, stack: string | undefined) {
    super(message);
    this.name = 'PostgresFault';
    this.sqlState = sqlState;
    // The first line of a stack repeats the message, which may echo a row.
    if (stack !== undefined) this.stack = `${this.name}: ${message}${stack.slice(Math.max(0, stack.indexOf('\n    at ')))}`;
  }
}

interface ServerError {
  readonly code: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly schema: string | undefined;
  readonly table: string | undefined;
  readonly column: string | undefined;
  readonly constraint: string | undefined;
}

/** Whole codes first, then classes (the first two characters). Source: PostgreSQL documentation, appendix A. */
const BY_CODE: Readonly<Record<string, ErrorCode>> = {
  '0A000': 'POSTGRES_SERIALIZATION', // a kept plan whose table has changed; the pipeline's statements use no feature that a server lacks
  '25006': 'POSTGRES_UNAVAILABLE', // read only: a standby answers after a failover
  '25P03': 'HANDLER_TIMEOUT', // idle in transaction for too long
  '25P04': 'HANDLER_TIMEOUT', // the transaction took too long
  '26000': 'POSTGRES_SERIALIZATION', // a kept plan that is gone
  '40001': 'POSTGRES_SERIALIZATION',
  '40P01': 'POSTGRES_SERIALIZATION',
  '40003': 'POSTGRES_UNAVAILABLE',
  '55P03': 'POSTGRES_SERIALIZATION',
  '55006': 'POSTGRES_SERIALIZATION', // object in use
  '57014': 'HANDLER_TIMEOUT',
  '3D000': 'POSTGRES_UNAVAILABLE', // the database does not exist (yet, or again after a restore)
  '3F000': 'CONFIGURATION_INVALID',
  '42P01': 'CONFIGURATION_INVALID',
  '42501': 'CONFIGURATION_INVALID',
};

const BY_CLASS: Readonly<Record<string, ErrorCode>> = {
  '08': 'POSTGRES_UNAVAILABLE',
  '21': 'STATE_INVALID',
  '22': 'STATE_INVALID',
  '23': 'STATE_INVALID',
  '28': 'POSTGRES_UNAVAILABLE',
  '40': 'STATE_INVALID',
  '42': 'STATEMENT_FAILED', // for every record alike before a migration; for one when its reaction names what there is not
  '44': 'STATE_INVALID',
  '53': 'POSTGRES_UNAVAILABLE',
  '54': 'STATE_INVALID',
  '57': 'POSTGRES_UNAVAILABLE',
  '58': 'POSTGRES_UNAVAILABLE',
  P0: 'STATE_INVALID', // raised by a trigger
  XX: 'STATEMENT_FAILED', // an error within the server, or damaged data
};

const SENTENCES: Partial<Record<ErrorCode, string>> = {
  POSTGRES_UNAVAILABLE: 'PostgreSQL does not serve at the moment',
  POSTGRES_SERIALIZATION: 'the transaction met another one',
  VERSION_CONFLICT: 'another writer appended this version of the stream first',
  HANDLER_TIMEOUT: 'the statement or its transaction ran into its time limit',
  STATE_INVALID: 'PostgreSQL refused the row',
  STATEMENT_FAILED: 'PostgreSQL cannot run the statement',
  RECORD_TOO_LARGE: 'the payload is larger than an outbox row may hold',
  CONFIGURATION_INVALID: 'a table is missing or the role lacks a right; run `millrace apply` and check the grants',
};

const BY_STATE: Readonly<Partial<Record<string, string>>> = {
  '3D000': 'the database does not exist; `millrace apply` makes it, unless the URL or MILLRACE_NAMESPACE names the wrong one',
};

function classifyServerError(error: ServerError): ClassifiedError {
  const code = codeOf(error);
  const place = [error.schema, error.table, error.column].filter((name) => name !== undefined).join('.');
  const facts = [
    `SQLSTATE ${error.code}`,
    ...(place === '' ? [] : [`at ${place}`]),
    ...(error.constraint === undefined ? [] : [`constraint ${error.constraint}`]),
  ].join(', ');
  const sentence = BY_STATE[error.code] ?? SENTENCES[code] ?? 'PostgreSQL failed in an unknown way';
  return new ClassifiedError(code, `${sentence} (${facts})`, {
    cause: new PostgresFault(error.code, safeText(error, facts), error.stack),
    dependency: 'postgres',
  });
}

function codeOf(error: ServerError): ErrorCode {
  if (error.code === '23505' && error.constraint === STREAM_VERSION_CONSTRAINT) return 'VERSION_CONFLICT';
  if (error.code === '23514' && error.constraint === PAYLOAD_SIZE_CONSTRAINT) return 'RECORD_TOO_LARGE';
  return BY_CODE[error.code] ?? BY_CLASS[error.code.slice(0, 2)] ?? 'UNCLASSIFIED';
}

/** Classes 22, 23 and P0 quote values; 42 quotes names of the statement only, and is useless without them. */
function safeText(error: ServerError, facts: string): string {
  return error.code.startsWith('42') ? `${facts}: ${error.message}` : facts;
}

function serverError(thrown: unknown): ServerError | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const fields = thrown as Error & Partial<Record<'code' | 'severity' | 'schema' | 'table' | 'column' | 'constraint', unknown>>;
  // System errors have a code too (`EPIPE`); only the server's have a severity.
  if (typeof fields.code !== 'string' || !/^[0-9A-Z]{5}$/.test(fields.code) || typeof fields.severity !== 'string') return undefined;
  const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
  return {
    code: fields.code,
    message: thrown.message,
    stack: thrown.stack,
    schema: text(fields.schema),
    table: text(fields.table),
    column: text(fields.column),
    constraint: text(fields.constraint),
  };
}

const SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOENT', // the socket's file
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'EMFILE',
  'ENFILE',
]);

/** The driver has no codes for these; its sentences are all there is. */
const DRIVER_SENTENCES =
  /timeout expired|timeout exceeded when trying to connect|connection timeout|connection terminated|connection ended|query read timeout|not queryable|connection error|pool after calling end|server does not support ssl|error response from server|socket disconnected|sasl|client password/i;

function isConnectionError(thrown: unknown): boolean {
  if (thrown instanceof AggregateError) return thrown.errors.some(isConnectionError);
  if (!(thrown instanceof Error)) return false;
  const { code } = thrown as Error & { readonly code?: unknown };
  if (typeof code === 'string' && (SYSTEM_CODES.has(code) || code.startsWith('ERR_TLS') || code.includes('CERT'))) return true;
  return DRIVER_SENTENCES.test(thrown.message);
}
