import { classified, type ClassifiedError } from '../../../core/errors.ts';
import { isGap } from '../../replication/source-findings.ts';
import type { RepairOptions } from './repair-capture.ts';
import { repairCapture } from './repair-capture.ts';

/** Between two attempts while a server is away or somebody else repairs. */
const RETRY_MS = 5_000;

/**
 * Repairs a gap as soon as it is found, as often as it takes; resolves when nothing is left to repair, which only counts as
 * a repair when something was done. What a person has to
 * judge is left to one: see `needsPerson`.
 */
export function automaticRepair(options: RepairOptions): (error: ClassifiedError, signal: AbortSignal) => Promise<void> {
  const { domain, logger, metrics, clock } = options;
  return async (found, signal) => {
    logger.warn({ domain, 'error.code': found.code }, 'the gap is being repaired');
    while (!isAborted(signal)) {
      const beganMs = clock.monotonicMs();
      try {
        const report = await repairCapture(options, { apply: true, confirmed: false, progress: () => undefined, signal });
        if (!report.applied) {
          logger.info({ domain, 'error.code': found.code }, 'there is nothing to repair any more');
          return;
        }
        metrics.count('millrace_capture_repairs_total', { domain, result: 'repaired' });
        const missing = report.missing.reduce((sum, { rows }) => sum + rows, 0);
        const phantoms = report.phantoms.reduce((sum, { rows }) => sum + rows, 0);
        metrics.gauge('millrace_capture_phantom_rows', { domain }, phantoms);
        const { beyondRetentionRows } = report;
        metrics.gauge('millrace_capture_beyond_retention_rows', { domain }, beyondRetentionRows);
        const tookMs = Math.round(clock.monotonicMs() - beganMs);
        const { newSlot, unseenLog, lettersLost } = report;
        logger.info({ domain, missing, phantoms, beyondRetentionRows, newSlot, tookMs }, 'the gap was repaired');
        if (unseenLog !== undefined) {
          logger.warn({ domain, ...unseenLog }, 'no slot brings this stretch of the log: what it held without a table is lost');
        }
        if (lettersLost) logger.warn({ domain }, 'the dead letters are gone; those of rows that the outbox holds were written again');
        return;
      } catch (thrown) {
        if (isAborted(signal)) return;
        const error = classified(thrown, 'UNCLASSIFIED', 'the repair failed');
        metrics.count('millrace_capture_repairs_total', { domain, result: 'failed' });
        logger.warn({ domain, 'error.code': error.code, gap: isGap(error) }, 'the repair failed and is tried again', error);
      }
      await clock.sleep(RETRY_MS, signal).catch(() => undefined);
    }
  };
}

/** A function, because a signal changes while one waits. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
