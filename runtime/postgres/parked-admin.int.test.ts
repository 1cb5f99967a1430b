import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Clock } from '../../core/clock.ts';
import type { RecordToPark } from '../../core/parked-records.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { openPlatformDatabase } from '../../test/support/platform-database.ts';
import { temporaryDatabases } from '../../test/support/temporary-databases.ts';
import type { Database } from './database.ts';
import { systemClock } from '../telemetry/system-clock.ts';
import type { ParkedChange } from './parked-admin.ts';
import { actOnParked } from './parked-admin.ts';
import { createParkedRecords } from './parked-records.ts';

const databases = temporaryDatabases('parkedadmin');
let database: Database;

beforeAll(async () => {
  database = await openPlatformDatabase(databases);
});
afterAll(async () => {
  await database.stop();
  await databases.dropAll();
});

/** It has failed once, and waits a minute. */
function failed(at: number, facts: Partial<RecordToPark> = {}): RecordToPark {
  return {
    lane: `key ${at}`,
    record: consumedRecord({ at, key: `key ${at}` }),
    ...{ attempts: 1, delayMs: 60_000, blocked: false, firstFailedAtMs: undefined, event: undefined },
    error: { code: 'CALL_FAILED', message: 'the call failed' },
    ...facts,
  };
}

/** The database, and what is done whenever records are about to be changed: they are written to the audit first. */
function auditedBy(of: Database, onAudit: (audits: number) => Promise<void>): Database {
  let audits = 0;
  return {
    domain: of.domain,
    query: async (text, values) => of.query(text, values),
    prepared: async (text, values) => of.prepared(text, values),
    transaction: async (work) => of.transaction(work),
    stop: async (hard) => of.stop(hard),
    execute: async (text, values) => {
      audits += 1;
      await onAudit(audits);
      return of.execute(text, values);
    },
  };
}

const change: ParkedChange = {
  ...{ action: 'retry', actor: 'ann', acceptDoubleEffects: false },
  ...{ signal: new AbortController().signal, clock: systemClock },
};

describe('a retry of many parked records', () => {
  it('takes each one once, and leaves those that fail again or come meanwhile to their ladder', async () => {
    const group = 'processor.scan';
    const store = createParkedRecords({ database, group });
    await store.park(Array.from({ length: 1_001 }, (_, at) => failed(at)));
    const audit = auditedBy(database, async (audits) => {
      if (audits !== 2) return;
      await database.execute(
        `UPDATE millrace.parked_records SET attempt = 2, due_at = now() + interval '5 minutes' WHERE group_name = $1 AND due_at <= now()`,
        [group],
      );
      await store.park([failed(5_000, { lane: 'zz' })]);
    });
    expect(await actOnParked(database, audit, { group }, change)).toEqual({ records: 1_001, interrupted: false });
    const waiting = await database.query<{ attempt: number; records: bigint }>(
      `SELECT attempt, count(*) AS records FROM millrace.parked_records WHERE group_name = $1 AND due_at > now() GROUP BY attempt ORDER BY attempt`,
      [group],
    );
    expect(waiting).toEqual([
      { attempt: 1, records: 1n },
      { attempt: 2, records: 500n },
    ]);
  });
});

describe('a change of parked records', () => {
  it('keeps to its rate, finishes what it has begun when it is interrupted, and goes on with the rest', async () => {
    const group = 'processor.my';
    await createParkedRecords({ database, group }).park(Array.from({ length: 25 }, (_, at) => failed(at)));
    const slept: number[] = [];
    const stopping = new AbortController();
    let nowMs = 0;
    const clock: Clock = {
      nowMs: () => nowMs,
      monotonicMs: () => nowMs,
      sleep: async (ms) => {
        slept.push(ms);
        nowMs += ms;
        if (slept.length === 2) stopping.abort();
      },
    };
    const limited = { ...change, action: 'discard', ratePerSecond: 5, clock } as const;
    expect(await actOnParked(database, database, { group }, { ...limited, signal: stopping.signal })).toEqual({
      records: 10,
      interrupted: true,
    });
    expect(slept).toEqual([1_000, 1_000]);
    expect(await actOnParked(database, database, { group }, limited)).toEqual({ records: 15, interrupted: false });
    const [audited] = await database.query<{ rows: bigint }>(
      `SELECT count(DISTINCT record_offset) AS rows FROM millrace.dead_letter_audit WHERE group_name = $1 AND action = 'parked-discard'`,
      [group],
    );
    expect(audited?.rows).toBe(25n);
  });
});
