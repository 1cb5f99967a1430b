import type { Database } from './database.ts';

/** A character of the catalogue. */
export interface CatalogueRow {
  readonly character_id: string;
  readonly name: string;
  readonly description: string | null;
  /** Whose scan earns it; null for a form that is only reached by evolution. */
  readonly category: string | null;
  /** Evolutions that lead to it. */
  readonly level: number;
  readonly evolves_from: string | null;
}

const COLUMNS = 'character_id, name, description, category, level, evolves_from';

/** Rejects with POSTGRES_UNAVAILABLE. */
export async function readCharacter(database: Database, characterId: string): Promise<CatalogueRow | undefined> {
  const [row] = await database.query<CatalogueRow>(`SELECT ${COLUMNS} FROM character.characters WHERE character_id = $1`, [characterId]);
  return row;
}

/** Those in whose name, description or category the text stands, in any case of letters; by level and name. Rejects with POSTGRES_UNAVAILABLE. */
export async function searchCharacters(database: Database, text: string, limit: number): Promise<readonly CatalogueRow[]> {
  const pattern = `%${text.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
  return database.query<CatalogueRow>(
    `SELECT ${COLUMNS} FROM character.characters WHERE name ILIKE $1 OR description ILIKE $1 OR category ILIKE $1
      ORDER BY level, name, character_id LIMIT $2`,
    [pattern, limit],
  );
}
