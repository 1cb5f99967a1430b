import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { describeFully } from '../../test/support/describe-fully.ts';
import { classifyPostgresError } from './classify-postgres-error.ts';

function serverError(code: string, fields: Partial<pg.DatabaseError> = {}): pg.DatabaseError {
  const error = new pg.DatabaseError(`invalid input: "secret-value"`, 0, 'error');
  return Object.assign(error, { code, severity: 'ERROR', detail: 'Key (email)=(secret-value) exists.', where: 'secret-value' }, fields);
}

describe('errors of PostgreSQL', () => {
  it.each([
    ['40001', 'POSTGRES_SERIALIZATION'],
    ['40P01', 'POSTGRES_SERIALIZATION'],
    ['55P03', 'POSTGRES_SERIALIZATION'],
    ['08006', 'POSTGRES_UNAVAILABLE'],
    ['57P01', 'POSTGRES_UNAVAILABLE'],
    ['57P03', 'POSTGRES_UNAVAILABLE'],
    ['53300', 'POSTGRES_UNAVAILABLE'],
    ['53100', 'POSTGRES_UNAVAILABLE'],
    ['25006', 'POSTGRES_UNAVAILABLE'],
    ['28P01', 'POSTGRES_UNAVAILABLE'],
    ['3D000', 'POSTGRES_UNAVAILABLE'],
    ['57014', 'HANDLER_TIMEOUT'],
    ['25P03', 'HANDLER_TIMEOUT'],
    ['22P02', 'STATE_INVALID'],
    ['22001', 'STATE_INVALID'],
    ['23502', 'STATE_INVALID'],
    ['23514', 'STATE_INVALID'],
    ['23505', 'STATE_INVALID'],
    ['P0001', 'STATE_INVALID'],
    ['42703', 'STATEMENT_FAILED'],
    ['25P04', 'HANDLER_TIMEOUT'],
    ['42P01', 'CONFIGURATION_INVALID'],
    ['42501', 'CONFIGURATION_INVALID'],
    ['XX000', 'STATEMENT_FAILED'],
    ['F0000', 'UNCLASSIFIED'],
  ])('with SQLSTATE %s are %s', (state, code) => {
    expect(classifyPostgresError(serverError(state)).code).toBe(code);
  });

  it('on the version key of the event store are a version conflict, and on no other key', () => {
    expect(classifyPostgresError(serverError('23505', { constraint: 'events_stream_version' })).code).toBe('VERSION_CONFLICT');
    expect(classifyPostgresError(serverError('23505', { constraint: 'events_pkey' })).code).toBe('STATE_INVALID');
  });

  it('on the size of an outbox payload say that the record is too large', () => {
    expect(classifyPostgresError(serverError('23514', { constraint: 'outbox_payload_size' })).code).toBe('RECORD_TOO_LARGE');
  });

  it.each(['22P02', '23505', '23514', 'P0001', '40001', 'XX000'])(
    'with SQLSTATE %s show the names of things, and never a value',
    (state) => {
      const error = classifyPostgresError(serverError(state, { schema: 'auth', table: 'users', constraint: 'users_email' }));
      const everything = JSON.stringify(describeFully(error)) + String(error.stack) + String((error.cause as Error).stack);
      expect(everything).not.toContain('secret-value');
      expect(error.message).toContain(`SQLSTATE ${state}, at auth.users, constraint users_email`);
    },
  );

  it('keep the frames of the stack, which say where the statement came from', () => {
    expect((classifyPostgresError(serverError('23505')).cause as Error).stack).toMatch(/^PostgresFault: SQLSTATE 23505\n +at serverError/);
  });

  it.each([
    ['a refused connection', Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' })],
    ['a reset connection', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })],
    ['an unknown host', Object.assign(new Error('getaddrinfo ENOTFOUND db'), { code: 'ENOTFOUND' })],
    ['both addresses refused', new AggregateError([Object.assign(new Error(''), { code: 'ECONNREFUSED' })])],
    ['an exhausted pool', new Error('timeout exceeded when trying to connect')],
    ['a lost connection', new Error('Connection terminated unexpectedly')],
    ['a slow connection', new Error('Connection terminated due to connection timeout')],
    ['a silent connection', new Error('Query read timeout')],
    ['a stopped pool', new Error('Cannot use a pool after calling end on the pool')],
  ])('of the connection mean that it is away: %s', (_, error) => {
    expect(classifyPostgresError(error).code).toBe('POSTGRES_UNAVAILABLE');
  });

  it('that are classified already stay what they are, and unknown ones say so', () => {
    const known = new ClassifiedError('STATE_INVALID', 'known');
    expect(classifyPostgresError(known)).toBe(known);
    expect(classifyPostgresError(new TypeError('a bug')).code).toBe('UNCLASSIFIED');
    expect(classifyPostgresError('text').code).toBe('UNCLASSIFIED');
  });
});
