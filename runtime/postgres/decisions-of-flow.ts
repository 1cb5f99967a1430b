import type { Session } from './database.ts';
import type { ParkedQuestion } from './parked-of-flow.ts';

const ACTIONS = ['replayed', 'discarded', 'parked-retry', 'parked-discard'] as const;

/** What somebody decided on a record that was parked or dead-lettered. */
export interface DecisionOfFlow {
  readonly action: (typeof ACTIONS)[number];
  readonly actor: string;
  readonly group: string;
  readonly eventId: string | undefined;
  /** ISO 8601, UTC. */
  readonly at: string;
}

/**
 * From the audit, in its order: of records that are of these events or this trace, since a time (milliseconds; undefined: ever).
 * Rejects with POSTGRES_UNAVAILABLE, HANDLER_TIMEOUT.
 */
export async function readDecisionsOfFlow(
  platform: Session,
  { id, eventIds }: ParkedQuestion,
  sinceMs: number | undefined,
  limit: number,
): Promise<readonly DecisionOfFlow[]> {
  const rows = await platform.query<
    Omit<DecisionOfFlow, 'eventId' | 'group'> & { readonly group_name: string; readonly event_id: string | null }
  >(
    `SELECT action, actor, group_name, event_id, created_at AS at FROM millrace.dead_letter_audit
      WHERE created_at >= coalesce(to_timestamp($3::float8 / 1000), '-infinity')
        AND (event_id = ANY ($1::text[]) OR event_id = $2 OR trace_id = $2) AND action = ANY ($4::text[])
      ORDER BY audit_id LIMIT $5`,
    [eventIds, id, sinceMs, ACTIONS, limit],
  );
  return rows.map(({ action, actor, group_name, event_id, at }) => ({
    action,
    actor,
    group: group_name,
    eventId: event_id ?? undefined,
    at,
  }));
}
