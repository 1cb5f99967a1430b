import type { Clock } from '../../core/clock.ts';
import type { Lsn } from '../../core/lsn.ts';
import { readSlot } from './slot.ts';
import type { CaptureSource } from './source.ts';
import { KeptSqlSession, withSqlSession } from './sql-session.ts';

/** Of a standby's looks at the slot. */
const WHOLE_LOOK_EVERY = 20;
const CONFIRMED_LOOK_MS = 20;

/**
 * A standby looks at nothing but whether the slot is read, over a connection that it keeps. That anything else is wrong it
 * sees when the slot is free, or with every twentieth look, which is a whole one. Resolves when a whole look is due.
 * @param pause between two looks; never rejects.
 */
export async function untilSlotSeemsFree(
  { url, slot }: Pick<CaptureSource, 'url' | 'slot'>,
  pause: () => Promise<void>,
  stopping: AbortSignal,
): Promise<void> {
  const session = new KeptSqlSession(url);
  try {
    for (let looks = 1; looks < WHOLE_LOOK_EVERY; looks += 1) {
      await pause();
      if (stopping.aborted || (await session.run((sql) => readSlot(sql, slot)))?.active !== true) return;
    }
    await pause();
  } catch {
    // The whole look says what is wrong.
  } finally {
    await session.close();
  }
}

/**
 * A status message has no answer of its own, so the slot is looked at until it shows the position as confirmed. False when
 * the time is over or `hard` is aborted.
 * @throws ClassifiedError POSTGRES_UNAVAILABLE, CONFIGURATION_INVALID; or the reason of `hard`.
 */
export async function slotShows(
  { url, slot }: Pick<CaptureSource, 'url' | 'slot'>,
  told: { readonly target: Lsn; readonly tellAgain: () => void; readonly withinMs: number },
  clock: Clock,
  hard: AbortSignal,
): Promise<boolean> {
  const deadline = clock.monotonicMs() + told.withinMs;
  return withSqlSession(url, async (sql) => {
    while (!hard.aborted && clock.monotonicMs() < deadline) {
      const confirmed = (await readSlot(sql, slot))?.confirmedFlushLsn;
      if (confirmed !== undefined && confirmed >= told.target) return true;
      told.tellAgain();
      await clock.sleep(CONFIRMED_LOOK_MS, hard);
    }
    return false;
  });
}
