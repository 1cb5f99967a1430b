import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../core/log.ts';
import { temporaryDatabases } from '../../test/support/temporary-databases.ts';
import type { Database } from './database.ts';
import { createDatabase } from './database.ts';
import type { FlowRow } from './flow-table.ts';
import { listFlows, pruneFlows, readDueFlows, readPosition, summarizeOverdue, writeBeginnings, writeFlows } from './flow-table.ts';
import { migrateDomain } from './migrate.ts';

const HOUR_MS = 3_600_000;
const NEVER = new AbortController().signal;

describe('the table of flows', () => {
  const databases = temporaryDatabases('flowtab');
  let database: Database;
  beforeAll(async () => {
    await migrateDomain({ databaseUrl: databases.url('millrace'), domain: 'millrace', kind: 'platform', logger: SILENT_LOGGER });
    database = createDatabase({ url: databases.url('millrace'), domain: 'millrace', poolMax: 2, logger: SILENT_LOGGER });
  });
  afterAll(async () => {
    await database.stop();
    await databases.dropAll();
  });
  beforeEach(() => database.execute('TRUNCATE millrace.flows, millrace.flow_positions'));

  const ago = (ms: number): string => new Date(Date.now() - ms).toISOString().replace('Z', '000Z');
  const overdue = (flow_id: string, beganMsAgo = HOUR_MS): FlowRow => ({
    saga: 'a',
    flow_id,
    trace_id: null,
    began_with: randomUUID(),
    began_domain: 'image',
    began_at: ago(beganMsAgo),
    deadline_at: ago(beganMsAgo - 1),
    status: 'overdue',
    ended_as: null,
    ended_at: null,
    waits_for: [],
    action: null,
    acted_at: null,
    looks: 1,
    looked_at: ago(1_000),
    next_look_at: ago(1_000),
  });
  const ended = (flow_id: string, endedMsAgo: number): FlowRow => ({
    ...overdue(flow_id),
    status: 'ended',
    ended_as: 'done',
    ended_at: ago(endedMsAgo),
    next_look_at: null,
  });

  it('keeps what was done for a flow, counts the looks, and never opens again one that has ended', async () => {
    await writeFlows(database, [overdue('f1')]);
    await writeFlows(database, [{ ...overdue('f1'), action: 'compensate', acted_at: ago(500) }]);
    await writeFlows(database, [overdue('f1')]);
    expect(await listFlows(database, { limit: 10 })).toMatchObject([{ status: 'overdue', action: 'compensate', looks: 3 }]);
    await writeFlows(database, [ended('f1', 100)]);
    await writeFlows(database, [overdue('f1')]);
    expect(await listFlows(database, { limit: 10 })).toMatchObject([{ status: 'ended', ended_as: 'done', action: 'compensate' }]);
  });

  it('keeps what foreign writers wrote, also where PostgreSQL has no place for it', async () => {
    const detail = 'code \u0000 and \ud83d, and \u{1f600}';
    const waits = { group: 'g', event_id: 'e', event_type: 'T', where: 'dead-lettered', detail };
    await writeFlows(database, [{ ...overdue('f'.repeat(128)), trace_id: 't'.repeat(128), waits_for: [waits] }]);
    expect((await listFlows(database, { limit: 10 }))[0]?.waits_for[0]?.detail).toBe('code \ufffd and \ufffd, and \u{1f600}');
  });

  it('gives those that are due, the longest due first, and sums up those that are overdue', async () => {
    const later = { ...overdue('later', 2 * HOUR_MS), next_look_at: ago(-HOUR_MS) };
    await writeFlows(database, [{ ...overdue('second'), next_look_at: ago(10) }, overdue('first'), later, ended('over', 10)]);
    expect((await readDueFlows(database, ago(0), 10)).map(({ flow_id }) => flow_id)).toEqual(['first', 'second']);
    expect(await summarizeOverdue(database)).toEqual([{ saga: 'a', overdue: 3, oldest: later.began_at }]);
    const listed = await listFlows(database, { status: 'overdue', limit: 1 });
    expect(listed.map(({ flow_id }) => flow_id)).toEqual(['later']);
    expect(await listFlows(database, { saga: 'b', limit: 1 })).toEqual([]);
  });

  it('goes on reading where it stood, never backwards, and not from further back than can be judged', async () => {
    const nothing = '00000000-0000-0000-0000-000000000000';
    const limits = { backMs: HOUR_MS, forgetMs: 24 * HOUR_MS };
    const { position: first } = await readPosition(database, 'a', 'T', limits);
    expect(first.eventId).toBe(nothing);
    expect(Date.parse(first.readTo)).toBeLessThan(Date.now() - HOUR_MS + 60_000);
    const position = { readTo: ago(60_000), eventId: randomUUID() };
    await writeBeginnings(database, [overdue('f1')], { saga: 'a', type: 'T', position });
    await writeBeginnings(database, [], { saga: 'a', type: 'T', position: { ...position, readTo: ago(90_000) } });
    expect(await readPosition(database, 'a', 'T', limits)).toEqual({ position, passedOver: undefined });
    // A sweep that stood still for longer than a first look goes back goes on where it stood.
    expect((await readPosition(database, 'a', 'T', { ...limits, backMs: 1_000 })).position).toEqual(position);
    const anew = await readPosition(database, 'a', 'T', { backMs: 500, forgetMs: 1_000 });
    expect(anew.passedOver).toEqual(position);
    expect(anew.position.eventId).toBe(nothing);
    expect(anew.position.readTo > position.readTo).toBe(true);
    expect((await readPosition(database, 'a', 'Other', limits)).position.eventId).toBe(nothing);
  });

  it('forgets flows that ended long ago, in bounded pieces, and those that nobody can judge any more', async () => {
    await writeFlows(database, [
      ...Array.from({ length: 25 }, (_, index) => ended(`old${index}`, 10 * HOUR_MS)),
      ended('young', HOUR_MS),
      overdue('waits', 2 * HOUR_MS),
      overdue('lost', 100 * HOUR_MS),
    ]);
    const limits = { keepEndedMs: 5 * HOUR_MS, forgetMs: 50 * HOUR_MS, batch: 10 };
    expect(await pruneFlows(database, { ...limits, batches: 2 }, NEVER)).toEqual({ ended: 20, forgotten: 1 });
    expect(await pruneFlows(database, { ...limits, batches: 2 }, NEVER)).toEqual({ ended: 5, forgotten: 0 });
    expect((await listFlows(database, { limit: 10 })).map(({ flow_id }) => flow_id).sort()).toEqual(['waits', 'young']);
  });
});
