/**
 * How close a slot is to being given up. PostgreSQL keeps the write-ahead log that a slot needs until the disk is full, or,
 * with `max_slot_wal_keep_size`, invalidates the slot: both are an outage that announces itself in bytes.
 *
 * - `ok`, `warn`, `critical`: by the share of the budget that is used.
 * - `lost`: the slot is invalidated or missing; what it had not confirmed can only come from the outbox (a repair).
 */
export const WAL_STAGES = ['ok', 'warn', 'critical', 'lost'] as const;
export type WalStage = (typeof WAL_STAGES)[number];

export interface WalBudget {
  /** What a slot may hold back on a server without `max_slot_wal_keep_size`. */
  readonly bytes: number;
  /** Percents of the budget (the server's limit, where it has one) from which on a stage begins. */
  readonly warnPercent: number;
  readonly criticalPercent: number;
}

/** What decides about the stage. Undefined: the server does not say. */
export interface SlotWal {
  /** False when there is no such slot. */
  readonly exists: boolean;
  readonly walStatus: string | undefined;
  readonly invalidatedBecause: string | undefined;
  /** WAL that is kept for the slot. */
  readonly retainedBytes: number | undefined;
  /** The server's own word of how much may still be written before the slot can be lost; undefined without a limit. */
  readonly safeBytes: number | undefined;
  /** The server's `max_slot_wal_keep_size`; undefined when it is unlimited. */
  readonly limitBytes: number | undefined;
  /** Transactions since the one whose catalogue rows the slot still needs. Vacuum cannot remove any newer ones. */
  readonly catalogXminAge: number | undefined;
  /** The server's `autovacuum_freeze_max_age`. */
  readonly freezeMaxAge: number;
}

export interface WalVerdict {
  readonly stage: WalStage;
  /** One sentence per cause of the stage; none when it is `ok`. */
  readonly reasons: readonly string[];
  readonly budgetBytes: number;
  /** Of the budget; undefined when it cannot be told. */
  readonly usedPercent: number | undefined;
}

/** PostgreSQL refuses new transactions about 3 million before 2^31; half of the way is late enough to be woken. */
const CRITICAL_XID_AGE = 1_000_000_000;

export function judgeWal(slot: SlotWal, budget: WalBudget): WalVerdict {
  const budgetBytes = slot.limitBytes ?? budget.bytes;
  const used = usedPercent(slot, budgetBytes);
  if (!slot.exists) return { stage: 'lost', reasons: ['the slot does not exist'], budgetBytes, usedPercent: undefined };
  if (slot.walStatus === 'lost' || slot.invalidatedBecause !== undefined) {
    const why = slot.invalidatedBecause === undefined ? '' : ` (${slot.invalidatedBecause})`;
    return { stage: 'lost', reasons: [`the server has invalidated the slot${why}`], budgetBytes, usedPercent: used };
  }
  const findings = [...budgetFindings(slot, budget, used), ...ageFindings(slot)];
  const stage = findings.some((finding) => finding.stage === 'critical') ? 'critical' : findings.length > 0 ? 'warn' : 'ok';
  return { stage, reasons: findings.map(({ reason }) => reason), budgetBytes, usedPercent: used };
}

interface Finding {
  readonly stage: 'warn' | 'critical';
  readonly reason: string;
}

function budgetFindings(slot: SlotWal, budget: WalBudget, used: number | undefined): Finding[] {
  // The next checkpoint may take the log away: the server's own last word before `lost`.
  const unreserved: Finding[] =
    slot.walStatus === 'unreserved'
      ? [{ stage: 'critical', reason: 'the slot has passed the limit of the server and is lost at a checkpoint' }]
      : [];
  if (used === undefined || used < budget.warnPercent) return unreserved;
  const reason = `the slot holds back ${used} % of its budget of write-ahead log`;
  return [...unreserved, { stage: used >= budget.criticalPercent ? 'critical' : 'warn', reason }];
}

function ageFindings({ catalogXminAge: age, freezeMaxAge }: SlotWal): Finding[] {
  if (age === undefined || age < Math.min(freezeMaxAge, CRITICAL_XID_AGE)) return [];
  const reason = `the slot keeps vacuum from ${age} transactions of the catalogue`;
  return [{ stage: age >= CRITICAL_XID_AGE ? 'critical' : 'warn', reason }];
}

/** The server counts by whole segments: what it calls safe may be less than what the limit leaves. */
function usedPercent({ retainedBytes, safeBytes, limitBytes }: SlotWal, budgetBytes: number): number | undefined {
  const shares = [
    ...(retainedBytes === undefined ? [] : [percent(retainedBytes, budgetBytes)]),
    ...(safeBytes === undefined || limitBytes === undefined ? [] : [percent(limitBytes - safeBytes, limitBytes)]),
  ];
  return shares.length === 0 ? undefined : Math.max(...shares);
}

/** Of a budget of nothing, everything is used. */
function percent(part: number, whole: number): number {
  return whole <= 0 ? 100 : Math.floor((part / whole) * 100);
}
