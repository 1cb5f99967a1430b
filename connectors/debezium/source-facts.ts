import { ClassifiedError } from '../../core/errors.ts';
import { withSqlSession } from '../replication/sql-session.ts';

/** PostgreSQL 17 or later: slots can be kept on standbys. */
export async function hasFailoverSlots(url: string): Promise<boolean> {
  const [row] = await ask(url, `SELECT current_setting('server_version_num')::int >= 170000 AS failover`, []);
  return row?.['failover'] === true;
}

/**
 * The type of an outbox's payload column.
 * @throws ClassifiedError CONFIGURATION_INVALID when the domain has no such outbox, POSTGRES_UNAVAILABLE.
 */
export async function payloadType(url: string, domain: string): Promise<'jsonb' | 'bytea'> {
  const [row] = await ask(
    url,
    `SELECT atttypid::regtype::text AS type FROM pg_attribute
      WHERE attrelid = to_regclass(format('%I.outbox', $1::text)) AND attname = 'payload' AND NOT attisdropped`,
    [domain],
  );
  const type = row?.['type'];
  if (type === 'jsonb' || type === 'bytea') return type;
  throw new ClassifiedError('CONFIGURATION_INVALID', `${domain}.outbox has no payload column of type jsonb or bytea`);
}

async function ask(url: string, text: string, values: unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { rows } = await withSqlSession(url, async (sql) => sql.query(text, values));
  return rows as Record<string, unknown>[];
}
