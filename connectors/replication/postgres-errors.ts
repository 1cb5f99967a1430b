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

/** Gives an error of the capture's connections its place in the table. Whatever is not known may pass: it is an outage. */
export function classifyPostgresError(thrown: unknown, what: string): ClassifiedError {
  if (thrown instanceof ClassifiedError) return thrown;
  const state = sqlState(thrown);
  const code = codeOf(state);
  return new ClassifiedError(code, `${what} failed${state === undefined ? '' : ` (SQLSTATE ${state})`}`, { cause: thrown });
}

function codeOf(state: string | undefined): ErrorCode {
  switch (state) {
    case OBJECT_IN_USE:
      return 'SLOT_IN_USE';
    case UNDEFINED_OBJECT:
      return 'SLOT_MISSING';
    case '55000': // the slot can no longer be read from
      return 'SLOT_LOST';
    case '28000': // authorization, pg_hba
    case '28P01': // password
    case '3D000': // database
    case '42501': // privilege
      return 'CONFIGURATION_INVALID';
    default:
      return 'POSTGRES_UNAVAILABLE';
  }
}
