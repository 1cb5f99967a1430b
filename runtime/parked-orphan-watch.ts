import type { Clock } from '../core/clock.ts';
import type { ClassifiedError } from '../core/errors.ts';
import { classified } from '../core/errors.ts';
import type { HealthReport, HealthSource, Service } from '../core/lifecycle.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { OrphanReason, ParkedOrphans } from './parked-orphans.ts';
import { pause, settledWithin } from './processing/pause.ts';

interface OrphanWatchOptions {
  readonly find: () => Promise<readonly ParkedOrphans[]>;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly intervalMs?: number;
}

const NAME = 'parked-orphans';
const INTERVAL_MS = 60_000;
/** A stop waits for the questions in hand so long. */
const STOP_WAIT_MS = 5_000;

const WHY: Readonly<Record<OrphanReason, (orphans: ParkedOrphans) => string>> = {
  group: () => 'no such group is in this pipeline',
  topic: ({ topic }) => `the group does not read ${topic}`,
  'topic-missing': ({ topic }) => `the topic ${topic} does not exist`,
  'partition-missing': ({ topic, partition }) => `${topic} has no partition ${partition}`,
};

/** Looks once a minute for parked records that nobody will ever read, and says whose they were and what to do. Changes nothing. */
export function createParkedOrphanWatch(options: OrphanWatchOptions): Service & HealthSource {
  return new ParkedOrphanWatch(options);
}

class ParkedOrphanWatch implements Service, HealthSource {
  readonly name = NAME;
  private readonly options: OrphanWatchOptions;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private orphans: readonly ParkedOrphans[] = [];
  private failure: ClassifiedError | undefined;
  private readonly told = new Set<string>();

  constructor(options: OrphanWatchOptions) {
    this.options = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.running = this.loop();
  }

  async stop(hard: AbortSignal): Promise<void> {
    this.stopping.abort();
    await settledWithin(this.options.clock, STOP_WAIT_MS, hard, this.running);
  }

  health(): HealthReport[] {
    const records = this.orphans.reduce((sum, each) => sum + each.records, 0);
    const facts = { orphans: records };
    if (records > 0) return [{ name: NAME, status: 'degraded', detail: sentence(this.orphans, records), facts }];
    if (this.failure === undefined) return [{ name: NAME, status: 'ok', facts }];
    const { code, message, remedy } = this.failure;
    return [{ name: NAME, status: 'degraded', detail: `${code}: ${message}. ${remedy}`, facts }];
  }

  private async loop(): Promise<void> {
    const { clock, intervalMs = INTERVAL_MS } = this.options;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.look();
      await pause(clock, intervalMs, signal);
    }
  }

  private async look(): Promise<void> {
    const { find, logger } = this.options;
    try {
      this.orphans = await find();
      this.failure = undefined;
      this.publish();
    } catch (thrown) {
      const failure = classified(thrown, 'UNCLASSIFIED', 'parked records without an owner could not be looked for');
      if (this.failure?.code !== failure.code) logger.warn({ 'log.logger': NAME, 'error.code': failure.code }, failure.message, failure);
      this.failure = failure;
    }
  }

  private publish(): void {
    const { metrics } = this.options;
    const byGroup = new Map([...this.told].map((group) => [group, { records: 0, oldestAgeMs: 0 }]));
    for (const { group, records, oldestAgeMs } of this.orphans) {
      const sum = byGroup.get(group) ?? { records: 0, oldestAgeMs: 0 };
      byGroup.set(group, { records: sum.records + records, oldestAgeMs: Math.max(sum.oldestAgeMs, oldestAgeMs) });
      this.told.add(group);
    }
    for (const [group, { records, oldestAgeMs }] of byGroup) {
      metrics.gauge('millrace_parked_orphans', { group }, records);
      metrics.gauge('millrace_parked_orphans_oldest_seconds', { group }, oldestAgeMs / 1000);
    }
  }
}

function sentence(orphans: readonly ParkedOrphans[], records: number): string {
  const hours = Math.round(Math.max(...orphans.map(({ oldestAgeMs }) => oldestAgeMs)) / 3_600_000);
  const reasons = [...new Set(orphans.map((each) => `${each.group}: ${WHY[each.reason](each)}`))];
  const shown = reasons.slice(0, 3).join('; ');
  const more = reasons.length > 3 ? `; and ${reasons.length - 3} more reasons` : '';
  return `${records} parked ${records === 1 ? 'record has' : 'records have'} no owner, the oldest since ${hours} h (${shown}${more}). Bring the group or topic back, or see \`millrace parked list --orphans\` and take them away with \`millrace parked discard --orphans\`.`;
}
