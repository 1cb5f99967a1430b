import type { Session } from './database.ts';
import { qualified } from './identifiers.ts';
import type { ParkedPlace } from './parked-filter.ts';

interface PlaceRow {
  readonly group_name: string;
  readonly topic: string;
  readonly partition: number;
}

/**
 * Every group and partition of which records wait. One step of an index for each, however many records they have.
 * Rejects with POSTGRES_UNAVAILABLE.
 */
export async function readParkedPlaces(session: Session, schema: string): Promise<readonly ParkedPlace[]> {
  const table = qualified(schema, 'parked_records');
  const rows = await session.query<PlaceRow>(
    `WITH RECURSIVE places AS (
       (SELECT group_name, topic, partition FROM ${table} ORDER BY group_name, topic, partition LIMIT 1)
       UNION ALL
       SELECT next.* FROM places AS p CROSS JOIN LATERAL (
         SELECT group_name, topic, partition FROM ${table} WHERE (group_name, topic, partition) > (p.group_name, p.topic, p.partition)
         ORDER BY group_name, topic, partition LIMIT 1) AS next)
     SELECT group_name, topic, partition FROM places`,
  );
  return rows.map(placeOf);
}

/** How many records wait there, and for how long the oldest does; places without any are left out. Rejects with POSTGRES_UNAVAILABLE. */
export async function countParkedAt(
  session: Session,
  schema: string,
  places: readonly ParkedPlace[],
): Promise<readonly (ParkedPlace & { readonly records: number; readonly oldestAgeMs: number })[]> {
  const rows = await session.query<PlaceRow & { readonly records: bigint; readonly oldest_age_ms: number }>(
    `SELECT group_name, topic, partition, count(*) AS records, (extract(epoch FROM now() - min(parked_at)) * 1000)::float8 AS oldest_age_ms
     FROM ${qualified(schema, 'parked_records')}
     WHERE (group_name, topic, partition) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::int[]))
     GROUP BY group_name, topic, partition`,
    [places.map(({ group }) => group), places.map(({ topic }) => topic), places.map(({ partition }) => partition)],
  );
  return rows.map((row) => ({ ...placeOf(row), records: Number(row.records), oldestAgeMs: row.oldest_age_ms }));
}

function placeOf({ group_name: group, topic, partition }: PlaceRow): ParkedPlace {
  return { group, topic, partition };
}
