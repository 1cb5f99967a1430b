import type { Session } from './database.ts';

interface OpenRow {
  readonly now: string;
  readonly id: string | null;
  /** Null where it is somebody else's and the role may not know, and of a prepared one, of which nobody does. */
  readonly began: string | null;
  /** Null unless it was prepared for a commit in two phases, and waits for the second one without a session. */
  readonly prepared: string | null;
}

export interface OpenTransactions {
  /** No transaction that is still open began before; a row of a later one has a later time, when it takes its time by default. */
  readonly before: string;
  /** Open for longer than is waited for: rows that they add are not counted on. */
  readonly ignored: number;
}

/**
 * Since when transactions of others are open in one database. Whoever reads rows by the time that they got when their
 * transaction began must not read past the oldest of them, which may still add a row with its time. A role without rights to
 * know when a foreign transaction began knows it from having looked before: one that was not there then began since. One that was
 * prepared meanwhile was open before, under another name.
 */
export class OpenTransactionsWatch {
  private readonly longestMs: number;
  private known = new Map<string, string>();
  private lastLook: string | undefined;
  private lastBefore: string | undefined;

  /** One that is open for longer is not waited for: somebody has forgotten it, or it only reads. */
  constructor(longestMs: number) {
    this.longestMs = longestMs;
  }

  /** Rejects with POSTGRES_UNAVAILABLE. */
  async look(session: Session): Promise<OpenTransactions> {
    const rows = await session.query<OpenRow>(OPEN);
    const now = rows[0]?.now ?? new Date(0).toISOString();
    const oldestMs = Date.parse(now) - this.longestMs;
    const known = new Map<string, string>();
    let before = now;
    let ignored = 0;
    for (const { id, began, prepared } of rows) {
      if (id === null) continue;
      const since = began ?? this.known.get(id) ?? (prepared === null ? this.begunUnseen(oldestMs) : this.preparedUnseen(prepared));
      known.set(id, since);
      if (Date.parse(prepared ?? since) < oldestMs) ignored += 1;
      else if (isEarlier(since, before)) before = since;
    }
    this.known = known;
    this.lastLook = now;
    this.lastBefore = before;
    return { before, ignored };
  }

  /** Of one that was there at the first look nobody knows: it counts as old, and is not waited for at the next. */
  private begunUnseen(oldestMs: number): string {
    return this.lastLook ?? new Date(oldestMs).toISOString();
  }

  /** It began since the oldest of the last look; at the first look: not longer before than one is waited for. */
  private preparedUnseen(prepared: string): string {
    return this.lastBefore ?? new Date(Date.parse(prepared) - this.longestMs).toISOString();
  }
}

/** Of ISO 8601 times in UTC, with or without microseconds. */
function isEarlier(a: string, b: string): boolean {
  const apartMs = Date.parse(a) - Date.parse(b);
  return apartMs < 0 || (apartMs === 0 && a < b);
}

/**
 * Every transaction locks its own virtual id, which all roles may see; processes of the server itself have no user. A prepared one
 * has no session and no such lock any more: it is asked for after the locks, so that it cannot change over between the two.
 */
const OPEN = `
  SELECT clock.now, open.id, open.began, open.prepared FROM (SELECT clock_timestamp() AS now) AS clock LEFT JOIN (
    SELECT l.virtualtransaction AS id, a.xact_start AS began, NULL::timestamptz AS prepared
      FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
     WHERE l.locktype = 'virtualxid' AND l.granted AND l.mode = 'ExclusiveLock' AND a.pid <> pg_backend_pid()
       AND a.usesysid IS NOT NULL AND a.datname = current_database()
    UNION ALL
    SELECT 'prepared ' || p.transaction, NULL, p.prepared FROM pg_prepared_xacts AS p WHERE p.database = current_database()
  ) AS open ON true`;
