import { ClassifiedError } from '../../../core/errors.ts';
import type { Lsn } from '../../../core/lsn.ts';
import { LSN_ZERO, formatLsn, minLsn } from '../../../core/lsn.ts';
import { withLongSqlSession } from '../../replication/long-sql-session.ts';
import { mendPublication, sightPublication } from '../../replication/publication.ts';
import { assertOurs, readSlot } from '../../replication/slot.ts';
import type { CaptureSource } from '../../replication/source.ts';
import type { GapCode } from '../../replication/source-findings.ts';
import type { Assessment } from '../../replication/source-identity.ts';
import type { Sql } from '../../replication/sql-session.ts';
import type { LogRange, Progress } from './repair-report.ts';

/** After these the old slot, if there is one, can never yield all that commits from now on. */
const SLOT_IS_OF_NO_USE: readonly GapCode[] = [
  'SLOT_MISSING',
  'SLOT_LOST',
  'PUBLICATION_MISSING',
  'PUBLICATION_YOUNGER',
  // Its log may be of another history, and not be there.
  'DATABASE_FOREIGN',
  'DATABASE_RESTORED',
];

/**
 * Whether the slot stays. It does wherever it can be read: what was committed before its position is in the outbox, what
 * follows still comes, and what was emitted without a table is nowhere but in it. Pure.
 */
export function keepsSlot({ findings, remembered, facts: { slot } }: Omit<Assessment, 'cluster'>): boolean {
  if (slot?.confirmedFlushLsn === undefined || slot.walStatus === 'lost') return false;
  const met = [...findings.map(({ code }) => code), remembered?.gap];
  if (SLOT_IS_OF_NO_USE.some((code) => met.includes(code))) return false;
  // Without having been synchronized, a slot of a standby is not the one that was read from.
  return slot.synced || !findings.some(({ code }) => code === 'DATABASE_FAILED_OVER');
}

/**
 * The stretch of the log that was not told as published and that no slot will bring any more; undefined when there is none. Pure.
 * @param now where the slot stands after the repair; undefined while it is to be made anew.
 */
export function unseenLog({ remembered, facts, findings }: Omit<Assessment, 'cluster'>, now: Lsn | undefined): LogRange | undefined {
  const told = remembered?.flushLsn ?? facts.row?.consistentPoint ?? facts.slot?.confirmedFlushLsn;
  const from = comparable(told, { facts, findings });
  if (now !== undefined && from !== undefined && now <= from) return undefined;
  return {
    from: from === undefined || from === LSN_ZERO ? undefined : formatLsn(from),
    to: now === undefined ? undefined : formatLsn(now),
  };
}

/** A position of another history says nothing; after a failover both share the log up to the fork. */
function comparable(told: Lsn | undefined, { facts, findings }: Pick<Assessment, 'facts' | 'findings'>): Lsn | undefined {
  const { timelineSwitch } = facts;
  if (findings.some(({ code }) => code === 'DATABASE_FOREIGN' || code === 'DATABASE_RESTORED')) return undefined;
  if (told === undefined || timelineSwitch === undefined || timelineSwitch === 'unknown') return told;
  return minLsn(told, timelineSwitch.at);
}

/** Slot and publication as a repair leaves them behind, before it compares: what commits from here on comes by the stream. */
export interface PreparedSource {
  readonly slotLsn: Lsn;
  readonly publication: string;
  /** The slot was made. */
  readonly newSlot: boolean;
}

export interface PrepareOptions {
  readonly source: CaptureSource;
  readonly replicationUrl: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/**
 * Publication and slot, in this order. A slot only sees publications that are older than it.
 * @throws ClassifiedError CONFIGURATION_INVALID for a slot or publication that somebody else must put right; what `standingOf` throws.
 */
export async function prepareSource(sql: Sql, assessment: Assessment, options: PrepareOptions): Promise<PreparedSource> {
  const { source, progress } = options;
  const { findings, facts } = assessment;
  if (facts.slot !== undefined) await assertOurs(sql, facts.slot);
  const keeps = keepsSlot(assessment);
  let newSlot = !keeps;
  if (!keeps || findings.some(({ code }) => code.startsWith('PUBLICATION_'))) {
    const { changes, isNew } = await mendPublication(sql, source.publication);
    for (const change of changes) progress(change);
    newSlot ||= isNew;
  }
  // Before the slot is made: a change that comes later has another version.
  const { publication } = await standingOf(sql, source, newSlot);
  if (newSlot) await makeSlot(options);
  return { ...(await standingOf(sql, source)), publication, newSlot };
}

async function makeSlot({ source, replicationUrl, progress, signal }: PrepareOptions): Promise<void> {
  progress(`making the slot ${source.slot} anew; this waits for transactions that are open`);
  await withLongSqlSession(replicationUrl, signal, async (sql) => {
    if ((await readSlot(sql, source.slot)) !== undefined) await sql.query('SELECT pg_drop_replication_slot($1)', [source.slot]);
    await sql.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [source.slot]);
  });
}

/**
 * That slot and publication are still the ones with which the repair began: what was done to them meanwhile can have hidden rows.
 * @throws ClassifiedError SLOT_MISSING, SLOT_RECREATED, PUBLICATION_MISSING, PUBLICATION_CHANGED.
 */
export async function assertStanding(sql: Sql, source: CaptureSource, prepared: PreparedSource): Promise<void> {
  const now = await standingOf(sql, source);
  if (now.slotLsn !== prepared.slotLsn) {
    const [then, moved] = [formatLsn(prepared.slotLsn), formatLsn(now.slotLsn)];
    throw new ClassifiedError('SLOT_RECREATED', `the slot ${source.slot} stood at ${then}, and stands at ${moved} since the repair began`);
  }
  if (now.publication === prepared.publication) return;
  throw new ClassifiedError('PUBLICATION_CHANGED', `the publication ${source.publication.name} was changed during the repair`);
}

async function standingOf(sql: Sql, source: CaptureSource, withoutSlot = false): Promise<Pick<PreparedSource, 'slotLsn' | 'publication'>> {
  const publication = await sightPublication(sql, source.publication);
  if (publication?.whole !== true) {
    const message = `the publication ${source.publication.name} was taken away during the repair`;
    throw new ClassifiedError('PUBLICATION_MISSING', message);
  }
  if (withoutSlot) return { slotLsn: LSN_ZERO, publication: publication.version };
  const slot = await readSlot(sql, source.slot);
  if (slot?.confirmedFlushLsn === undefined || slot.walStatus === 'lost') {
    throw new ClassifiedError('SLOT_MISSING', `the slot ${source.slot} was taken away during the repair`);
  }
  return { slotLsn: slot.confirmedFlushLsn, publication: publication.version };
}
