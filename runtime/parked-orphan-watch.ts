import type { Clock } from '../core/clock.ts';
import type { HealthReport, HealthSource, Service } from '../core/lifecycle.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { OrphanReason, ParkedOrphans } from './parked-orphans.ts';
import { Rounds } from './rounds.ts';

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
  private readonly rounds: Rounds;
  private orphans: readonly ParkedOrphans[] = [];
  private readonly told = new Set<string>();

  constructor(options: OrphanWatchOptions) {
    const { find, logger, clock, intervalMs = INTERVAL_MS } = options;
    const pass = async (): Promise<void> => {
      this.orphans = await find();
      this.publish();
    };
    const failed = 'parked records without an owner could not be looked for';
    this.options = options;
    this.rounds = new Rounds({ name: NAME, pass, failed, intervalMs, stopWaitMs: STOP_WAIT_MS, logger, clock });
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.rounds.start(signal);
  }

  async stop(hard: AbortSignal): Promise<void> {
    await this.rounds.stop(hard);
  }

  health(): HealthReport[] {
    const records = this.orphans.reduce((sum, each) => sum + each.records, 0);
    const facts = { orphans: records };
    if (records > 0) return [{ name: NAME, status: 'degraded', detail: sentence(this.orphans, records), facts }];
    return [this.rounds.health(facts)];
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
