import type { Database } from './database.ts';

/** A profile as the write side knows it. Times are ISO 8601, UTC. */
export interface ProfileRow {
  readonly user_id: string;
  readonly total_characters: number;
  readonly last_character_id: string | null;
  readonly last_character_name: string | null;
  readonly preferences: Readonly<Record<string, string>>;
  /** Null for a user of whom nothing is known yet. */
  readonly updated_at: string | null;
}

/** Every user has a profile: that of one who has not done anything is empty. Rejects with POSTGRES_UNAVAILABLE. */
export async function readProfile(database: Database, userId: string): Promise<ProfileRow> {
  const [row] = await database.query<ProfileRow>(
    `SELECT user_id, coalesce(total_characters, 0) AS total_characters, last_character_id, last_character_name,
            coalesce(preferences, '{}') AS preferences, greatest(u.updated_at, p.updated_at) AS updated_at
       FROM (VALUES ($1::varchar)) AS asked(user_id)
       LEFT JOIN my.users u USING (user_id) LEFT JOIN my.preferences p USING (user_id)`,
    [userId],
  );
  return (
    row ?? { user_id: userId, total_characters: 0, last_character_id: null, last_character_name: null, preferences: {}, updated_at: null }
  );
}

/** What others may see of a profile. */
export type FoundProfileRow = Pick<ProfileRow, 'user_id' | 'total_characters' | 'last_character_id' | 'last_character_name'>;

/** Profiles whose user's id begins with the text, in any case of letters; by id. Rejects with POSTGRES_UNAVAILABLE. */
export async function searchProfiles(database: Database, text: string, limit: number): Promise<readonly FoundProfileRow[]> {
  const prefix = `${text.toLowerCase().replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
  return database.query<FoundProfileRow>(
    `SELECT user_id, total_characters, last_character_id, last_character_name FROM my.users
      WHERE lower(user_id) LIKE $1 ORDER BY lower(user_id), user_id LIMIT $2`,
    [prefix, limit],
  );
}
