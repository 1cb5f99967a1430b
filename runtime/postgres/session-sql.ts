import type { Sql } from '../../connectors/replication/sql-session.ts';
import type { Session } from './database.ts';

/** A pooled session for the questions of the capture. */
export function sqlOf(session: Pick<Session, 'query'>): Sql {
  return { query: async (text, values) => ({ rows: [...(await session.query(text, values))] }) };
}
