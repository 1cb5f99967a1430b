import type { Clock } from '../../core/clock.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { ParkedRecords, ParkedSurvey } from '../../core/parked-records.ts';
import type { Parking } from './parking.ts';
import { pause } from './pause.ts';

/** Looking takes at most this share of the time, however much is parked … */
const SHARE = 1 / 50;
/** … unless that would leave it alone for longer. */
const INTERVAL_MAX_MS = 30_000;

export const NOTHING_PARKED: ParkedSurvey = {
  records: 0,
  lanes: 0,
  oldestAgeMs: 0,
  blockedLanes: 0,
  blockedForMs: 0,
  revision: 0n,
  discarded: 0,
};

interface ParkingWatchOptions {
  readonly group: string;
  readonly store: ParkedRecords;
  readonly parking: Pick<Parking, 'ask' | 'partitions' | 'refresh' | 'heldLanes' | 'blockedLanes'>;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly intervalMs: number;
}

/**
 * Looks every few seconds at what is parked in the partitions of this member: one cheap question, from which come the gauges
 * and what others have changed (a replay, an operator), which is then taken over.
 */
export class ParkingWatch {
  private readonly options: ParkingWatchOptions;
  private seen = NOTHING_PARKED;
  /** The one whose changes are taken over; undefined: none is known. */
  private revision: bigint | undefined;

  constructor(options: ParkingWatchOptions) {
    this.options = options;
  }

  /** As of the last look. */
  get survey(): ParkedSurvey {
    return this.seen;
  }

  /** Looks until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs } = this.options;
    let tookMs = 0;
    for (;;) {
      await pause(clock, Math.max(intervalMs, Math.min(tookMs / SHARE, INTERVAL_MAX_MS)), signal);
      if (signal.aborted) return;
      const beganMs = clock.monotonicMs();
      await this.look();
      tookMs = clock.monotonicMs() - beganMs;
    }
  }

  private async look(): Promise<void> {
    const { parking, store } = this.options;
    if (parking.partitions().length === 0) {
      this.note(NOTHING_PARKED);
      return;
    }
    const survey = await parking.ask((partitions) => store.survey(partitions));
    if (survey === undefined) return;
    this.note(survey);
    // What differs otherwise was written by a former owner, after its partitions had been given away.
    const differs = survey.lanes > parking.heldLanes || survey.blockedLanes !== parking.blockedLanes;
    if (survey.revision === this.revision && !differs) return;
    if (await parking.refresh()) this.revision = survey.revision;
  }

  private note(survey: ParkedSurvey): void {
    const { metrics, group } = this.options;
    this.seen = survey;
    metrics.gauge('millrace_parked_records', { group }, survey.records);
    metrics.gauge('millrace_parked_oldest_seconds', { group }, survey.oldestAgeMs / 1000);
    metrics.gauge('millrace_blocked_keys', { group }, survey.blockedLanes);
    metrics.gauge('millrace_blocked_oldest_seconds', { group }, survey.blockedForMs / 1000);
    metrics.gauge('millrace_parked_discarded_records', { group }, survey.discarded);
  }
}
