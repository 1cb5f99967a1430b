import type { Clock } from '../../../core/clock.ts';
import type { ErrorCode } from '../../../core/errors.ts';
import { ClassifiedError, classified } from '../../../core/errors.ts';
import type { Metrics } from '../../../core/metrics.ts';
import type { Step, StepOutcome, Steps } from '../../../core/step.ts';
import type { UnitOfWork } from '../../../core/unit-of-work.ts';
import { PostgresFault } from '../classify-postgres-error.ts';
import type { Database } from '../database.ts';
import type { UnitOfWorkOptions, UnitOfWorkSettings } from '../unit-of-work.ts';
import { withUnitOfWorkDefaults } from '../unit-of-work.ts';
import { commitStep } from './commit-step.ts';
import type { DecidedStep } from './decide-step.ts';
import { decideStep } from './decide-step.ts';
import { LANES, runInParts, split } from './in-parts.ts';
import { PendingStep } from './pending-step.ts';
import type { Basis } from './read-steps.ts';
import { readSteps } from './read-steps.ts';
import { SlowStreams } from './slow-streams.ts';
import { StepQueue } from './step-queue.ts';
import { writeGroups } from './write-groups.ts';
import type { Fate } from './write-statement.ts';
import type { WriteSettings } from './write-steps.ts';
import { writeSteps } from './write-steps.ts';

export interface BatchedStepsOptions extends UnitOfWorkOptions {
  /** Connections for the batches alone, enough for `inFlightMax` of them, that wait for nobody's lock for long. */
  readonly batches: Database;
  /** For steps that need a transaction of their own. */
  readonly unitOfWork: UnitOfWork;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Steps that share a transaction at most; 1: each has its own. */
  readonly batchMax: number;
  /** Batches at the same time. */
  readonly inFlightMax: number;
  /** Transactions of single steps at the same time, and beside them of those that declare a lock; fewer together than the unit of work has connections. */
  readonly aloneMax: number;
  readonly lockedMax: number;
}

/** How often a step that another writer outran is decided again before its loop hears of it. */
const CONFLICTS_MAX = 3;
/** What a batch does not wait for: a lock that is held, a statement that takes its time. A step may wait for it, alone. */
const LOCK_NOT_AVAILABLE = '55P03';
const IMPATIENCE: ReadonlySet<ErrorCode> = new Set(['POSTGRES_SERIALIZATION', 'HANDLER_TIMEOUT']);
/** A batch that failed is split in so many parts: two levels down to single steps, and few neighbours of the culprit left. */
const PARTS = 8;
/** One that had to wait has used up time of all its steps, and each part with the culprit in it will again: two levels for the largest batch. */
const IMPATIENT_PARTS = 64;

/**
 * Steps in batches: one statement reads what all of them decide upon, one statement (a transaction of its own) writes what
 * they decided. What is quick to find out leaves the batch before that: a taken key, a decision that throws, a payload that
 * fits no schema. When the database refuses the statement, nothing of it is there, and the batch is done again in parts until
 * who it was stands alone (and may then wait, in a transaction of its own); the decisions of the others are made again, which nobody notices because they are pure.
 */
export function createBatchedSteps(options: BatchedStepsOptions): Steps {
  const steps = new BatchedSteps(options);
  return { commit: (step, signal) => steps.commit(step, signal) };
}

type Parts = readonly (readonly PendingStep[])[];

interface ReadyStep extends DecidedStep {
  readonly pending: PendingStep;
}

class BatchedSteps {
  private readonly options: BatchedStepsOptions & UnitOfWorkSettings;
  private readonly labels: { readonly domain: string };
  private readonly write: WriteSettings;
  private readonly together: StepQueue<PendingStep>;
  private readonly alone: StepQueue<PendingStep>;
  /** Of their own, because they may wait for long: those without a lock have places that no lock takes. */
  private readonly locked: StepQueue<PendingStep>;
  private readonly slow: SlowStreams;

  constructor(given: BatchedStepsOptions) {
    const options = { ...given, ...withUnitOfWorkDefaults(given) };
    const { batchMax, inFlightMax, aloneMax, lockedMax, domain, inboxRetentionDays, clock } = options;
    this.options = options;
    this.labels = { domain: domain.name };
    this.write = { schema: domain.name, domain: domain.name, inboxRetentionDays, clock };
    this.together = new StepQueue({ batchMax, inFlightMax, run: (batch) => this.runTogether(batch) });
    this.alone = new StepQueue({ batchMax: 1, inFlightMax: aloneMax, run: ([step]) => this.runAlone(this.alone, step) });
    this.locked = new StepQueue({ batchMax: 1, inFlightMax: lockedMax, run: ([step]) => this.runAlone(this.locked, step) });
    this.slow = new SlowStreams(() => clock.monotonicMs());
  }

  async commit(step: Step, signal: AbortSignal): Promise<StepOutcome> {
    signal.throwIfAborted();
    const pending = new PendingStep(step, signal);
    if (step.lock !== undefined) this.locked.push(pending);
    else if (step.isolated === true || this.slow.has(pending)) this.alone.push(pending);
    else this.together.push(pending);
    return pending.outcome;
  }

  private async runTogether(batch: readonly PendingStep[]): Promise<void> {
    this.options.metrics.observe('millrace_step_batch_size', this.labels, batch.length);
    await runInParts([batch], LANES, (part) => this.attempt(part));
  }

  /** Settles every step of the batch, sends it to a queue again, or answers with the parts in which it is to be tried. */
  private async attempt(batch: readonly PendingStep[]): Promise<Parts> {
    const wanted = batch.filter((pending) => !pending.leftOut());
    if (wanted.length === 0) return [];
    try {
      const bases = await readSteps(
        this.options.batches,
        this.write.schema,
        wanted.map(({ step }) => step),
      );
      const ready = wanted.flatMap((pending, index) => this.decide(pending, bases[index]));
      const parts: (readonly PendingStep[])[] = [];
      for (const group of writeGroups(ready)) parts.push(...(await this.writeGroup(group)));
      return parts;
    } catch (error) {
      return this.isolate(wanted, error);
    }
  }

  /** None when there is nothing to write: the step is settled, or goes alone. */
  private decide(pending: PendingStep, basis: Basis | undefined): readonly ReadyStep[] {
    if (basis === undefined) throw new ClassifiedError('UNCLASSIFIED', 'a step was not read');
    if (basis === 'repeated') {
      pending.settle({ kind: 'repeated' });
      return [];
    }
    try {
      if (basis instanceof ClassifiedError) throw basis;
      const decided = decideStep(this.options, pending.step, basis);
      if (decided !== undefined) return [{ ...decided, pending }];
      this.alone.push(pending);
    } catch (error) {
      pending.fail(classified(error, 'DECISION_FAILED', 'the step could not be decided'));
    }
    return [];
  }

  private async writeGroup(group: readonly ReadyStep[]): Promise<Parts> {
    const wanted = group.filter(({ pending }) => !pending.leftOut());
    if (wanted.length === 0) return [];
    try {
      const fates = await writeSteps(this.options.batches, this.write, wanted);
      for (const [index, { pending, rows }] of wanted.entries()) this.settle(pending, rows.length, fates[index]);
      return [];
    } catch (error) {
      const left = wanted.map(({ pending }) => pending);
      return this.isolate(left, error);
    }
  }

  private settle(pending: PendingStep, events: number, fate: Fate | undefined): void {
    if (fate?.taken === true) pending.settle({ kind: 'committed', events });
    else if (fate?.current === true) pending.settle({ kind: 'repeated' });
    else
      this.failed(
        this.together,
        pending,
        new ClassifiedError('VERSION_CONFLICT', 'another writer appended to the stream first, or it was read too long ago'),
      );
  }

  /** Nothing of these steps was written. An outage is theirs alike; anything else is one step's doing, or a few ones'. */
  private isolate(steps: readonly PendingStep[], thrown: unknown): Parts {
    const error = classified(thrown, 'UNCLASSIFIED', 'the batch failed');
    const isImpatient = IMPATIENCE.has(error.code);
    if (steps.length === 1 && isImpatient) {
      for (const pending of steps) this.sendAlone(pending, error);
      return [];
    }
    if (steps.length === 1 || error.disposition === 'outage') {
      for (const pending of steps) this.failed(this.together, pending, error);
      return [];
    }
    this.options.metrics.count('millrace_step_batches_split_total', { ...this.labels, code: error.code });
    return split(steps, isImpatient ? IMPATIENT_PARTS : PARTS);
  }

  private sendAlone(pending: PendingStep, { code, cause }: ClassifiedError): void {
    if (code === 'HANDLER_TIMEOUT' || (cause instanceof PostgresFault && cause.sqlState === LOCK_NOT_AVAILABLE))
      this.slow.remember(pending);
    this.alone.push(pending);
  }

  private async runAlone(queue: StepQueue<PendingStep>, pending: PendingStep | undefined): Promise<void> {
    if (pending === undefined || pending.leftOut()) return;
    try {
      pending.settle(await commitStep(this.options.unitOfWork, pending.step, this.options.clock));
    } catch (error) {
      this.failed(queue, pending, classified(error, 'HANDLER_FAILED', 'the step failed'));
    }
  }

  private failed(queue: StepQueue<PendingStep>, pending: PendingStep, error: ClassifiedError): void {
    if (error.disposition !== 'retry-now' || pending.conflicts >= CONFLICTS_MAX) {
      pending.fail(error);
      return;
    }
    pending.conflicts += 1;
    queue.pushFirst(pending);
  }
}
