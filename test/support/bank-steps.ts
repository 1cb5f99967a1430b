import type { Decision, StateChange } from '../../core/define.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import type { Step, Steps } from '../../core/step.ts';
import type { Database } from '../../runtime/postgres/database.ts';
import type { BatchedStepsOptions } from '../../runtime/postgres/steps/batched-steps.ts';
import { createBatchedSteps } from '../../runtime/postgres/steps/batched-steps.ts';
import type { StepDatabaseOptions } from '../../runtime/postgres/steps/step-database.ts';
import { createStepDatabase } from '../../runtime/postgres/steps/step-database.ts';
import type { Balance } from './bank-domain.ts';
import { account, bank as bankDomain, bankCatalogue, bankValidator } from './bank-domain.ts';
import type { Bank } from './bank.ts';
import { aCause } from './bank.ts';
import { systemClock } from './system-clock.ts';

/** One process's way to the bank: batches on connections of their own. */
export interface BankSteps extends Steps {
  /** What the batches use; a test may stand in its way. */
  readonly batches: Database;
  stop(): Promise<void>;
}

export function bankSteps(
  bank: Bank,
  options: Partial<BatchedStepsOptions> & Partial<Pick<StepDatabaseOptions, 'url' | 'lockTimeoutMs' | 'stepTimeoutMs'>> = {},
  wrap: (batches: Database) => Database = (batches) => batches,
): BankSteps {
  const { url = bank.url, lockTimeoutMs = 250, stepTimeoutMs = 5_000, inFlightMax = 2, ...rest } = options;
  const batches = createStepDatabase({
    url,
    domain: 'bank',
    batchesMax: inFlightMax,
    logger: SILENT_LOGGER,
    lockTimeoutMs,
    stepTimeoutMs,
  });
  const steps = createBatchedSteps({
    database: bank.database,
    batches: wrap(batches),
    unitOfWork: bank.unitOfWork,
    domain: bankDomain,
    catalogue: bankCatalogue,
    validator: bankValidator,
    logger: SILENT_LOGGER,
    metrics: NO_METRICS,
    clock: systemClock,
    batchMax: 64,
    inFlightMax,
    aloneMax: 2,
    lockedMax: 2,
    ...rest,
  });
  return { batches, commit: (step, signal) => steps.commit(step, signal), stop: () => batches.stop() };
}

export interface DepositStep {
  readonly key: string;
  readonly account: string;
  readonly amount?: unknown;
  readonly changes?: readonly StateChange[];
  readonly lock?: string;
  readonly decide?: (state: Balance) => Decision;
}

/** A deposit that says in its note by which key it was made. */
export function depositStep({ key, account: id, amount = 1, changes = [], lock, decide }: DepositStep): Step {
  const events = [{ type: 'AccountDeposited', payload: { account_id: id, owner_id: 'owner-1', amount, note: key } }];
  return {
    name: 'bank:DepositOrdered',
    idempotencyKey: key,
    aggregate: account,
    aggregateId: id,
    cause: aCause({ correlationId: `flow of ${key}`, causationId: `cause of ${key}` }),
    startedMs: systemClock.monotonicMs(),
    ...(lock === undefined ? {} : { lock }),
    decide: (state) => (decide === undefined ? { events, changes, result: { key } } : decide(state as Balance)),
  };
}

export const NEVER = new AbortController().signal;
