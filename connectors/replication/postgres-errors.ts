import type { ErrorCode } from '../../core/errors.ts';
import { ClassifiedError } from '../../core/errors.ts';

/** The SQLSTATE of a server's error, undefined for what the socket or the driver threw. */
export function sqlState(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' && /^[0-9A-Z]{5}$/.test(thrown.code) ? thrown.code : undefined;
}

/** SQLSTATE 42704: of slot and publication, the state alone cannot say which one is missing. */
export const UNDEFINED_OBJECT = '42704';
export const OBJECT_IN_USE = '55006';
/** The slot was given up, or the server cannot decode now (its `wal_level`, a recovery): the slot itself says which. */
export const NOT_READY = '55000';
/** The server takes no sessions: it starts, or it stops. */
export const CANNOT_CONNECT_NOW = '57P03';

/** Gives an error of the capture's connections its place in the table. Whatever is not known may pass: it is an outage. */
export function classifyPostgresError(thrown: unknown, what: string): ClassifiedError {
  if (thrown instanceof ClassifiedError) return thrown;
  const state = sqlState(thrown);
  const code = codeOf(state);
  const sentence = state === undefined ? undefined : (SENTENCES[state] ?? SENTENCES[state.slice(0, 2)]);
  const why = sentence === undefined ? '' : `: ${sentence}`;
  return new ClassifiedError(code, `${what} failed${why}${state === undefined ? '' : ` (SQLSTATE ${state})`}`, { cause: thrown });
}

/** What a person can do about it, where the state alone says so little that it would have to be looked up. */
const SENTENCES: Readonly<Partial<Record<string, string>>> = {
  '3D000':
    'the database does not exist; `millrace apply` makes it, unless the URL names the wrong server or MILLRACE_NAMESPACE the wrong names',
  '42501': 'the role lacks a right; `millrace init` grants what is needed',
  '28': 'the server refuses the role, its password or its address (pg_hba.conf)',
  '53300': 'the server has no connection left',
  [CANNOT_CONNECT_NOW]: 'the server starts up, recovers or shuts down, and takes sessions when it has done so',
};

/** What the server says, and what it means to a capture. By the whole state, else by its class. */
const MEANINGS: Readonly<Record<string, ErrorCode>> = {
  [OBJECT_IN_USE]: 'SLOT_IN_USE',
  [UNDEFINED_OBJECT]: 'SLOT_MISSING',
  [NOT_READY]: 'POSTGRES_UNAVAILABLE', // a slot that was given up, among others: see `checkCaptureSource`
  '3D000': 'CONFIGURATION_INVALID', // no such database
  '42501': 'CONFIGURATION_INVALID', // privilege
  '28': 'CONFIGURATION_INVALID', // authentication: role, password, pg_hba
  '08': 'POSTGRES_UNAVAILABLE', // connection
  '53': 'POSTGRES_UNAVAILABLE', // resources: 53300 too many connections, 53100 disk full
  '57': 'POSTGRES_UNAVAILABLE', // 57P01 shut down, 57P02 crashed, 57P03 starts up or shuts down, 57014 cancelled
  '58': 'POSTGRES_UNAVAILABLE', // system: I/O
  XX: 'POSTGRES_UNAVAILABLE', // internal
};

function codeOf(state: string | undefined): ErrorCode {
  if (state === undefined) return 'POSTGRES_UNAVAILABLE';
  return MEANINGS[state] ?? MEANINGS[state.slice(0, 2)] ?? 'POSTGRES_UNAVAILABLE';
}
