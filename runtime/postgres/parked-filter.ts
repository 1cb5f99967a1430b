import { PLATFORM } from '../database-url.ts';
import { olderThanInboxSql } from './inbox-horizon.ts';

/** Which parked records are meant; what is left out does not matter. */
export interface ParkedFilter {
  readonly group?: string;
  /** The record key. */
  readonly key?: string;
  readonly errorCode?: string;
  readonly traceId?: string;
  /** The event's type. */
  readonly type?: string;
  /** Parked for at least so long. */
  readonly olderThanMs?: number;
  /** Only those that wait for a person. */
  readonly blocked?: true;
  /** Only of these groups and partitions. */
  readonly places?: readonly ParkedPlace[];
}

/** Where records wait: the group, and the partition that they are from. */
export interface ParkedPlace {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
}

export type ParkedAction = 'retry' | 'discard';

/** Parameters of `FILTER`. */
export const FILTER_PARAMETERS = 10;

/** The columns of a parked record, under whatever name the table has in the statement. */
export const FILTER = `($1::text IS NULL OR group_name = $1) AND ($2::text IS NULL OR record_key = convert_to($2, 'UTF8'))
  AND ($3::text IS NULL OR error_code = $3) AND ($4::text IS NULL OR trace_id = $4) AND ($5::text IS NULL OR event_type = $5)
  AND ($6::float8 IS NULL OR parked_at <= now() - $6::float8 * interval '1 millisecond') AND ($7::bool IS NOT TRUE OR blocked_since IS NOT NULL)
  AND ($8::text[] IS NULL OR (group_name, topic, partition) IN
    (SELECT place.group_name, place.topic, place.partition FROM unnest($8::text[], $9::text[], $10::int[]) AS place (group_name, topic, partition)))`;

export function filterValues(filter: ParkedFilter): readonly unknown[] {
  const { group, key, errorCode, traceId, type, olderThanMs, blocked, places } = filter;
  const columns = [places?.map((place) => place.group), places?.map(({ topic }) => topic), places?.map(({ partition }) => partition)];
  return [group, key, errorCode, traceId, type, olderThanMs, blocked, ...columns].map((value) => value ?? null);
}

/** What the action has anything to say to. A retry has nothing to say to a record that waits for its predecessors alone. */
export function touches(action: ParkedAction | undefined): string {
  return action === 'retry' ? '(blocked_since IS NOT NULL OR due_at > now())' : 'true';
}

/**
 * Whether the inbox may have forgotten that the record had its effect. A projection's documents remember every version, and what
 * they park is in the platform's database, which has no inbox.
 */
export function forgotten(schema: string): string {
  return schema === PLATFORM ? 'false' : `(${olderThanInboxSql(schema, 'record_timestamp_ms')})`;
}
