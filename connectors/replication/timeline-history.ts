import pg from 'pg';
import type { Lsn } from '../../core/lsn.ts';
import { parseLsn } from '../../core/lsn.ts';
import { classifyPostgresError } from './postgres-errors.ts';

/** Where a server left a timeline, and why. */
export interface TimelineSwitch {
  readonly at: Lsn;
  /** A target was set for the recovery (a time, a name, a position): a point-in-time restore, and no promotion. */
  readonly toTarget: boolean;
}

/** What the server writes when a standby is promoted, or when all of the log was recovered. */
const NO_TARGET = 'no recovery target specified';

/**
 * Where the server left the older timeline; `unknown` when that one is not among its ancestors, or the server no longer has
 * the history. Asked over the replication protocol, so that no right to read the server's files is needed.
 * @throws ClassifiedError POSTGRES_UNAVAILABLE, CONFIGURATION_INVALID.
 */
export async function readTimelineSwitch(url: string, timeline: number, older: number): Promise<TimelineSwitch | 'unknown'> {
  if (older >= timeline) return 'unknown';
  const config = { connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 10_000, replication: 'database' } as const;
  const client = new pg.Client(config);
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ content: Buffer | string }>(`TIMELINE_HISTORY ${timeline}`);
    return timelineSwitch(String(rows[0]?.content ?? ''), older);
  } catch (thrown) {
    const error = classifyPostgresError(thrown, 'the history of the timeline');
    if (error.code === 'POSTGRES_UNAVAILABLE' && isServerError(thrown)) return 'unknown';
    throw error;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Reads one line per ancestor: its number, the position at which it was left, the reason. */
export function timelineSwitch(history: string, older: number): TimelineSwitch | 'unknown' {
  for (const line of history.split('\n')) {
    const match = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)\s*(.*)$/i.exec(line);
    if (match?.[2] === undefined || Number(match[1]) !== older) continue;
    return { at: parseLsn(match[2]), toTarget: match[3] !== NO_TARGET };
  }
  return 'unknown';
}

/** The file is not there any more (58P01), or the server refuses. */
function isServerError(thrown: unknown): boolean {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown && thrown.code === '58P01';
}
