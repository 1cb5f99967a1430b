import type { Clock } from '../../core/clock.ts';
import type { HealthReport, HealthSource, Service } from '../../core/lifecycle.ts';
import type { LogReader } from '../../core/log-reader.ts';
import type { Logger } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import { Rounds } from '../rounds.ts';
import type { LetterArchive } from './archive.ts';
import { countLetters } from './count-letters.ts';
import type { LetterQueue } from './letter-queues.ts';
import type { LetterStates } from './letter-states.ts';

export interface DeadLetterCareOptions {
  /** Those of the groups and captures of this process. */
  readonly queues: readonly LetterQueue[];
  readonly reader: LogReader;
  readonly states: Pick<LetterStates, 'counts' | 'forgetGone'>;
  /** Undefined: letters are not archived. */
  readonly archive: LetterArchive | undefined;
  /** Removes what the audit need not keep any more; resolves with how many rows. */
  readonly sweepAudit: (signal: AbortSignal) => Promise<number>;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly intervalMs?: number;
}

const INTERVAL_MS = 30_000;
/** A stop waits for the file in hand so long; a file that is cut off is written again. */
const STOP_WAIT_MS = 10_000;

/**
 * Looks after the dead letters of a process's groups twice a minute: counts those that nobody has handled, forgets what
 * became of those that are gone, archives those that are old enough, and keeps the audit from growing for ever. Any number of processes may do so at once. A pass that
 * fails is said and tried again; it stops nothing.
 */
export function createDeadLetterCare(options: DeadLetterCareOptions): Service & HealthSource {
  return new DeadLetterCare(options);
}

class DeadLetterCare implements Service, HealthSource {
  readonly name = 'dead-letters';
  private readonly options: DeadLetterCareOptions;
  private readonly rounds: Rounds;
  private unhandled: number | undefined;

  constructor(options: DeadLetterCareOptions) {
    const { logger, clock, intervalMs = INTERVAL_MS } = options;
    const pass = async (signal: AbortSignal): Promise<void> => this.pass(signal);
    const failed = 'the dead letters could not be looked after';
    this.options = options;
    this.rounds = new Rounds({ name: this.name, pass, failed, intervalMs, stopWaitMs: STOP_WAIT_MS, logger, clock });
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.rounds.start(signal);
  }

  async stop(hard: AbortSignal): Promise<void> {
    await this.rounds.stop(hard);
  }

  health(): HealthReport[] {
    return [this.rounds.health(this.unhandled === undefined ? {} : { unhandled: this.unhandled })];
  }

  private async pass(signal: AbortSignal): Promise<void> {
    const { queues, reader, states, archive, sweepAudit, metrics, logger } = this.options;
    const archived = (await archive?.pass(queues, signal)) ?? 0;
    if (archived > 0) logger.info({ 'log.logger': this.name, letters: archived }, 'dead letters were archived that nobody had handled');
    const counts = await countLetters(reader, states, queues);
    for (const { queue, open, archived: old } of counts.queues) {
      metrics.gauge('millrace_dead_letters', { topic: queue.topic, state: 'open' }, open);
      metrics.gauge('millrace_dead_letters', { topic: queue.topic, state: 'archived' }, old);
    }
    this.unhandled = counts.queues.reduce((sum, { open, archived: old }) => sum + open + old, 0);
    await states.forgetGone(counts.partitions);
    const swept = await sweepAudit(signal);
    if (swept > 0) logger.info({ 'log.logger': this.name, rows: swept }, 'audit rows were removed that are past their retention');
  }
}
