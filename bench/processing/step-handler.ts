import type { ProcessorDefinition } from '../../core/define.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { my } from '../../processors/my/my.ts';
import type { CallRunner } from '../../runtime/calls/call-runner.ts';
import { BATCHES_IN_FLIGHT } from '../../runtime/connections.ts';
import type { Database } from '../../runtime/postgres/database.ts';
import { createBatchedSteps } from '../../runtime/postgres/steps/batched-steps.ts';
import { createStepDatabase } from '../../runtime/postgres/steps/step-database.ts';
import type { PostgresUnitOfWork, UnitOfWorkOptions } from '../../runtime/postgres/unit-of-work.ts';
import { createUnitOfWork } from '../../runtime/postgres/unit-of-work.ts';
import { isProcessed } from '../../runtime/postgres/inbox-statements.ts';
import type { EventHandler } from '../../runtime/processing/event-handler.ts';
import { createPooledRandom } from '../../runtime/pooled-random.ts';
import { createReactionHandler } from '../../runtime/processing/reaction-handler.ts';
import { systemClock } from '../../runtime/telemetry/system-clock.ts';
import { CATALOGUE } from '../../schemas/catalogue.ts';
import { createPayloadValidator } from '../../schemas/validator.ts';

interface StepHandlerOrder {
  readonly databaseUrl: string;
  /** Steps that may share a transaction; with 1 each of so many connections takes one step at a time. */
  readonly batchMax: number;
  readonly connections: number;
}

function storeOf(database: Database): UnitOfWorkOptions {
  return { database, domain: my, catalogue: CATALOGUE, validator: createPayloadValidator(), logger: SILENT_LOGGER };
}

export function unitOfWorkOf(database: Database): PostgresUnitOfWork {
  return createUnitOfWork(storeOf(database));
}

/** The handler that a group of the domain `my` gives its events to, composed as the product composes it, and what ends it. */
export function stepHandler(
  database: Database,
  { databaseUrl, batchMax, connections }: StepHandlerOrder,
  processor: ProcessorDefinition,
): { readonly handle: EventHandler; stop(): Promise<void> } {
  const store = storeOf(database);
  const inFlightMax = batchMax === 1 ? connections : BATCHES_IN_FLIGHT;
  const batches = createStepDatabase({ url: databaseUrl, domain: 'my', batchesMax: inFlightMax, logger: SILENT_LOGGER });
  const handle = createReactionHandler({
    processor,
    steps: createBatchedSteps({
      ...store,
      batches,
      unitOfWork: createUnitOfWork(store),
      batchMax,
      inFlightMax,
      aloneMax: 1,
      lockedMax: 1,
      metrics: NO_METRICS,
      clock: systemClock,
    }),
    isProcessed: (key) => isProcessed(database, 'my', key),
    calls: NO_CALLS,
    random: createPooledRandom(),
    logger: SILENT_LOGGER,
    clock: systemClock,
  });
  return { handle, stop: () => batches.stop() };
}

/** The reactions of these measurements call nobody. */
const NO_CALLS: CallRunner = { run: () => Promise.reject(new Error('nothing is to be called')) };
