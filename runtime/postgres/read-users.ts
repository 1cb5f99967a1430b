import type { Database } from './database.ts';

/** Rejects with POSTGRES_UNAVAILABLE. */
export async function isUserRegistered(database: Database, userId: string): Promise<boolean> {
  const rows = await database.query<{ user_id: string }>('SELECT user_id FROM auth.users WHERE user_id = $1', [userId]);
  return rows.length > 0;
}
