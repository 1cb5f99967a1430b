import type { ClassifiedError } from '../../core/errors.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { ConsumerGroupSettings } from './consumer-group-options.ts';
import type { NextStep } from './decide-door.ts';
import type { RecordInHand } from './record-in-hand.ts';
import { recordLogFields } from './record-log-fields.ts';

type NotesSettings = Pick<ConsumerGroupSettings, 'group' | 'metrics' | 'logger' | 'clock'>;

/** What the logs and the metrics say about the way of a record. */
export class LoopNotes {
  private readonly settings: NotesSettings;
  private readonly labels: { readonly group: string };

  constructor(settings: NotesSettings) {
    this.settings = settings;
    this.labels = { group: settings.group };
  }

  /** An attempt failed, whatever that leads to. */
  failed({ code }: ClassifiedError): void {
    const { group, metrics } = this.settings;
    metrics.count('millrace_record_attempts_total', { group, code });
  }

  /** A failure of the record's own, and where it goes for it. An outage is none, and its breaker speaks for all who meet it. */
  failedAndGoes(item: RecordInHand, error: ClassifiedError, next: NextStep): void {
    if (next.kind === 'wait-for-dependency') return;
    const { logger, clock } = this.settings;
    item.firstFailedAtMs ??= clock.nowMs();
    logger.warn({ ...recordLogFields(item), 'error.code': error.code, next: next.kind }, error.message, error);
  }

  refused(item: RecordInHand, error: ClassifiedError): void {
    this.settings.logger.error({ ...recordLogFields(item), 'error.code': error.code }, error.message, error);
  }

  left(item: RecordInHand, outcome: Outcome, nowMs: number): void {
    const { group, metrics, logger } = this.settings;
    metrics.observe('millrace_processing_duration_seconds', this.labels, (nowMs - item.takenAtMs) / 1000);
    if (outcome.door !== 'deadLettered') return;
    const { code, remedy } = outcome.error;
    metrics.count('millrace_dead_lettered_total', { group, topic: item.record.topic, code });
    logger.warn({ ...recordLogFields(item), 'error.code': code }, `the record is dead-lettered: ${remedy}`);
  }
}
