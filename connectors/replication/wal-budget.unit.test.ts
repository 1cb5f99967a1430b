import { describe, expect, it } from 'vitest';
import type { SlotWal } from './wal-budget.ts';
import { judgeWal } from './wal-budget.ts';
import type { ServerSlot, ServerWal, WalPin } from './wal-facts.ts';
import { holderSentence, walHolder } from './wal-holder.ts';

const MIB = 1_048_576;
const budget = { bytes: 1_000, warnPercent: 50, criticalPercent: 80 };
const slot: SlotWal = {
  exists: true,
  walStatus: 'reserved',
  invalidatedBecause: undefined,
  retainedBytes: 0,
  safeBytes: undefined,
  limitBytes: undefined,
  catalogXminAge: 10,
  freezeMaxAge: 200_000_000,
};
const stageOf = (change: Partial<SlotWal>): string => judgeWal({ ...slot, ...change }, budget).stage;

describe('the budget of the write-ahead log', () => {
  it.each([
    [0, 'ok'],
    [499, 'ok'],
    [500, 'warn'],
    [799, 'warn'],
    [800, 'critical'],
    [5_000, 'critical'],
  ])('is judged by its used share: %i of 1000 bytes is %s', (retainedBytes, stage) => {
    expect(stageOf({ retainedBytes })).toBe(stage);
  });

  it("is the server's limit where it has one, even of nothing", () => {
    expect(judgeWal({ ...slot, retainedBytes: 600, limitBytes: 10_000 }, budget)).toMatchObject({
      stage: 'ok',
      budgetBytes: 10_000,
      usedPercent: 6,
    });
    expect(stageOf({ retainedBytes: 1, limitBytes: 0 })).toBe('critical');
  });

  it('is used up as far as the server says when it says so, for it counts by whole segments', () => {
    const limited = { retainedBytes: 100, limitBytes: 1_000 };
    expect(judgeWal({ ...slot, ...limited, safeBytes: 150 }, budget)).toMatchObject({ stage: 'critical', usedPercent: 85 });
    expect(judgeWal({ ...slot, ...limited, safeBytes: 5_000 }, budget)).toMatchObject({ stage: 'ok', usedPercent: 10 });
    expect(judgeWal({ ...slot, ...limited, safeBytes: -10 }, budget)).toMatchObject({ stage: 'critical', usedPercent: 101 });
  });

  it('believes the server that the next checkpoint may end it, whatever the bytes say', () => {
    expect(stageOf({ walStatus: 'unreserved', retainedBytes: 1 })).toBe('critical');
    expect(stageOf({ walStatus: 'extended', retainedBytes: 1 })).toBe('ok');
  });

  it('is lost with its slot', () => {
    expect(stageOf({ exists: false, walStatus: undefined, retainedBytes: undefined })).toBe('lost');
    expect(stageOf({ walStatus: 'lost', retainedBytes: undefined })).toBe('lost');
    const idle = judgeWal({ ...slot, walStatus: 'extended', invalidatedBecause: 'idle_timeout' }, budget);
    expect(idle).toMatchObject({ stage: 'lost', reasons: ['the server has invalidated the slot (idle_timeout)'] });
  });

  it('counts the transactions that vacuum waits for', () => {
    expect(stageOf({ catalogXminAge: 199_999_999 })).toBe('ok');
    expect(stageOf({ catalogXminAge: 200_000_000 })).toBe('warn');
    expect(stageOf({ catalogXminAge: 1_000_000_000, freezeMaxAge: 2_000_000_000 })).toBe('critical');
    expect(stageOf({ catalogXminAge: undefined })).toBe('ok');
  });

  it('names every cause of a stage', () => {
    const verdict = judgeWal({ ...slot, walStatus: 'unreserved', retainedBytes: 900, catalogXminAge: 300_000_000 }, budget);
    expect(verdict.reasons).toHaveLength(3);
  });
});

describe('who keeps the log', () => {
  const serverSlot: ServerSlot = {
    name: 'ours',
    kind: 'logical',
    database: 'image',
    active: true,
    temporary: false,
    walStatus: 'extended',
    invalidatedBecause: undefined,
    retainedBytes: 900 * MIB,
    confirmedLagBytes: 0,
    safeBytes: undefined,
    catalogXminAge: 10,
  };
  const pin: WalPin = {
    kind: 'transaction',
    ageSeconds: 900,
    database: 'image',
    user: 'report',
    pid: 7,
    application: 'nightly',
    state: 'idle in transaction',
    gid: undefined,
  };
  const holder = (change: Partial<ServerSlot>, pins: readonly WalPin[] = []): ReturnType<typeof walHolder> => {
    const slots = [{ ...serverSlot, ...change }];
    const rest = { database: 'image', limitBytes: undefined, freezeMaxAge: 1, seesTransactions: true, replicationRoles: [] };
    return walHolder({ ...rest, slots, pins } satisfies ServerWal, 'ours');
  };

  it('is the relay while it has not confirmed most of it, or nobody when no relay reads', () => {
    expect(holder({ confirmedLagBytes: 800 * MIB }, [pin]).by).toBe('receiver');
    expect(holder({ confirmedLagBytes: 800 * MIB, active: false }, [pin]).by).toBe('no receiver');
  });

  it('is the oldest open transaction when all is confirmed and the log stays, and is named without its query', () => {
    const found = holder({}, [pin]);
    expect(found.by).toBe('transaction');
    expect(holderSentence(found)).toBe(
      'session 7 (nightly, idle in transaction) of report in image is open for 900 s and keeps it: end that transaction',
    );
    const prepared: WalPin = {
      ...pin,
      kind: 'prepared transaction',
      pid: undefined,
      state: undefined,
      gid: 'order of somebody@example.org',
    };
    expect(holderSentence(holder({}, [prepared]))).not.toContain('somebody');
  });

  it('is nobody while it is little, and when no transaction is old', () => {
    expect(holder({ retainedBytes: 60 * MIB, confirmedLagBytes: 60 * MIB }).by).toBe('nobody');
    expect(holder({}, [{ ...pin, ageSeconds: 2 }]).by).toBe('nobody');
    expect(holderSentence(holder({}))).toBeUndefined();
  });
});
