import { ClassifiedError } from '../../core/errors.ts';
import type { Database, Session } from './database.ts';
import type { BeginningsPosition } from './flow-events.ts';

/** A step that a flow waits for. */
export type WaitsFor = Readonly<Record<'group' | 'event_id' | 'event_type' | 'where' | 'detail', string>>;

export type FlowStatus = 'running' | 'overdue' | 'ended';

/** How a flow stood when it was last looked at. Times are ISO 8601, UTC. */
export interface FlowRow {
  readonly saga: string;
  readonly flow_id: string;
  readonly trace_id: string | null;
  readonly began_with: string;
  readonly began_domain: string;
  readonly began_at: string;
  readonly deadline_at: string;
  readonly status: FlowStatus;
  readonly ended_as: string | null;
  readonly ended_at: string | null;
  readonly waits_for: readonly WaitsFor[];
  readonly action: string | null;
  readonly acted_at: string | null;
  readonly looks: number;
  readonly looked_at: string;
  /** Null once it has ended. */
  readonly next_look_at: string | null;
}

const COLUMNS = `saga, flow_id, trace_id, began_with, began_domain, began_at, deadline_at, status, ended_as, ended_at, waits_for,
  action, acted_at, looks, looked_at, next_look_at`;

const LONE_SURROGATE = /\p{Surrogate}/gu;

/** The clock that the table's times are compared with. */
export async function platformTime(database: Session): Promise<string> {
  const [row] = await database.query<{ now: string }>('SELECT clock_timestamp() AS now');
  return row?.now ?? new Date(0).toISOString();
}

const NO_EVENT = '00000000-0000-0000-0000-000000000000';

/**
 * Where to go on reading beginnings: `backMs` before now for a saga that has no position yet. One that stood still goes on where
 * it stood, but not further back than `forgetMs`: what is older can no longer be judged. `passedOver` says where it had stood then.
 */
export async function readPosition(
  database: Session,
  saga: string,
  type: string,
  { backMs, forgetMs }: { readonly backMs: number; readonly forgetMs: number },
): Promise<{ readonly position: BeginningsPosition; readonly passedOver: BeginningsPosition | undefined }> {
  const [row] = await database.query<{ first: string; oldest: string; read_to: string | null; event_id: string | null }>(
    `SELECT now() - make_interval(secs => $3::double precision / 1000) AS first,
            now() - make_interval(secs => $4::double precision / 1000) AS oldest, read_to, event_id
       FROM (VALUES (1)) AS one LEFT JOIN millrace.flow_positions ON saga = $1 AND event_type = $2`,
    [saga, type, backMs, forgetMs],
  );
  if (row === undefined) throw new ClassifiedError('UNCLASSIFIED', 'the position of a saga was not read');
  const { first, oldest, read_to: readTo, event_id: eventId } = row;
  if (readTo === null || eventId === null) return { position: { readTo: first, eventId: NO_EVENT }, passedOver: undefined };
  const stood = { readTo, eventId };
  if (Date.parse(readTo) >= Date.parse(oldest)) return { position: stood, passedOver: undefined };
  return { position: { readTo: oldest, eventId: NO_EVENT }, passedOver: stood };
}

/** The rows and the position in one transaction: a sweep that dies reads the same beginnings again. */
export async function writeBeginnings(
  database: Database,
  rows: readonly FlowRow[],
  at: { readonly saga: string; readonly type: string; readonly position: BeginningsPosition },
): Promise<void> {
  await database.transaction(async (session) => {
    await writeFlows(session, rows);
    await session.execute(
      `INSERT INTO millrace.flow_positions AS p (saga, event_type, read_to, event_id) VALUES ($1, $2, $3, $4)
       ON CONFLICT (saga, event_type) DO UPDATE SET read_to = EXCLUDED.read_to, event_id = EXCLUDED.event_id
        WHERE (p.read_to, p.event_id) < (EXCLUDED.read_to, EXCLUDED.event_id)`,
      [at.saga, at.type, at.position.readTo, at.position.eventId],
    );
  });
}

/** A flow that has ended stays as it is, whatever a slower sweep has seen before. */
export async function writeFlows(session: Session, rows: readonly FlowRow[]): Promise<void> {
  if (rows.length === 0) return;
  await session.execute(
    `INSERT INTO millrace.flows AS f (${COLUMNS})
     SELECT ${COLUMNS} FROM jsonb_to_recordset($1::jsonb) AS r(saga text, flow_id varchar, trace_id varchar, began_with uuid,
       began_domain varchar, began_at timestamptz, deadline_at timestamptz, status text, ended_as text, ended_at timestamptz,
       waits_for jsonb, action text, acted_at timestamptz, looks integer, looked_at timestamptz, next_look_at timestamptz)
     ORDER BY saga, flow_id
     ON CONFLICT (saga, flow_id) DO UPDATE SET status = EXCLUDED.status, ended_as = EXCLUDED.ended_as, ended_at = EXCLUDED.ended_at,
       waits_for = EXCLUDED.waits_for, action = coalesce(EXCLUDED.action, f.action), acted_at = coalesce(EXCLUDED.acted_at, f.acted_at),
       looks = f.looks + 1, looked_at = EXCLUDED.looked_at, next_look_at = EXCLUDED.next_look_at
      WHERE f.status <> 'ended'`,
    [JSON.stringify(rows, (_, value: unknown) => (typeof value === 'string' ? storable(value) : value))],
  );
}

/** Details quote what foreign writers wrote: PostgreSQL keeps neither the character NUL nor half of a pair. */
function storable(text: string): string {
  return text.replaceAll('\u0000', '\ufffd').replace(LONE_SURROGATE, '\ufffd');
}

/** Flows that it is time to look at again, the longest due first. `running`: none that is overdue already. */
export async function readDueFlows(
  database: Session,
  now: string,
  limit: number,
  which: 'all' | 'running' = 'all',
): Promise<readonly FlowRow[]> {
  return database.query<FlowRow>(
    `SELECT ${COLUMNS} FROM millrace.flows WHERE status <> 'ended' AND ($3 = 'all' OR status = $3) AND next_look_at <= $1::timestamptz
      ORDER BY next_look_at LIMIT $2`,
    [now, limit, which],
  );
}

export interface OverdueSummary {
  readonly saga: string;
  readonly overdue: number;
  /** When the oldest of them began. */
  readonly oldest: string;
}

export async function summarizeOverdue(database: Session): Promise<readonly OverdueSummary[]> {
  return database.query<OverdueSummary>(
    `SELECT saga, count(*)::int AS overdue, min(began_at) AS oldest FROM millrace.flows WHERE status = 'overdue' GROUP BY saga ORDER BY saga`,
  );
}

/**
 * Removes flows that ended long ago, and those that never ended and are older than anything that could still say how: in
 * statements of `batch` rows, at most `batches` of each kind. Returns how many of both went.
 */
export async function pruneFlows(
  database: Session,
  options: { readonly keepEndedMs: number; readonly forgetMs: number; readonly batch: number; readonly batches: number },
  stopping: AbortSignal,
): Promise<{ readonly ended: number; readonly forgotten: number }> {
  const remove = async (condition: string, ageMs: number): Promise<number> => {
    let removed = 0;
    for (let batch = 0; batch < options.batches && !stopping.aborted; batch += 1) {
      const rows = await database.execute(
        `DELETE FROM millrace.flows WHERE (saga, flow_id) IN (
           SELECT saga, flow_id FROM millrace.flows WHERE ${condition} < now() - make_interval(secs => $1::double precision / 1000) LIMIT $2
           FOR UPDATE SKIP LOCKED)`,
        [ageMs, options.batch],
      );
      removed += rows;
      if (rows < options.batch) break;
    }
    return removed;
  };
  const ended = await remove(`status = 'ended' AND ended_at`, options.keepEndedMs);
  return { ended, forgotten: await remove(`status <> 'ended' AND began_at`, options.forgetMs) };
}

export interface FlowFilter {
  readonly saga?: string | undefined;
  readonly status?: FlowStatus | undefined;
  readonly limit: number;
}

/** The flows that began last, for people; overdue ones the oldest first. */
export async function listFlows(database: Session, { saga, status, limit }: FlowFilter): Promise<readonly FlowRow[]> {
  return database.query<FlowRow>(
    `SELECT ${COLUMNS} FROM millrace.flows WHERE ($1::text IS NULL OR saga = $1) AND ($2::text IS NULL OR status = $2)
      ORDER BY began_at ${status === 'overdue' ? 'ASC' : 'DESC'} LIMIT $3`,
    [saga ?? null, status ?? null, limit],
  );
}

/** The rows of one flow, one per saga. */
export async function readFlowRows(database: Session, flowIds: readonly string[]): Promise<readonly FlowRow[]> {
  return database.query<FlowRow>(`SELECT ${COLUMNS} FROM millrace.flows WHERE flow_id = ANY ($1::text[]) ORDER BY saga`, [flowIds]);
}

/** The flows that the sweep knows by this id: of a flow, a trace, or the event that began one; the newest first. */
export async function findFlowIds(database: Session, id: string, limit: number): Promise<readonly string[]> {
  const rows = await database.query<{ flow_id: string }>(
    `SELECT flow_id, max(began_at) AS began_at FROM millrace.flows WHERE flow_id = $1 OR trace_id = $1 OR began_with::text = $1
      GROUP BY flow_id ORDER BY began_at DESC LIMIT $2`,
    [id, limit],
  );
  return rows.map(({ flow_id }) => flow_id);
}
