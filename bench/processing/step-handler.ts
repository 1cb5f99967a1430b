import { randomBytes } from 'node:crypto';
import type { ProcessorDefinition } from '../../core/define.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { my } from '../../processors/my/my.ts';
import type { CallRunner } from '../../runtime/calls/call-runner.ts';
import type { Database } from '../../runtime/postgres/database.ts';
import { commitStep } from '../../runtime/postgres/steps/commit-step.ts';
import type { PostgresUnitOfWork } from '../../runtime/postgres/unit-of-work.ts';
import { createUnitOfWork } from '../../runtime/postgres/unit-of-work.ts';
import type { EventHandler } from '../../runtime/processing/event-handler.ts';
import { createReactionHandler } from '../../runtime/processing/reaction-handler.ts';
import { systemClock } from '../../runtime/telemetry/system-clock.ts';
import { CATALOGUE } from '../../schemas/catalogue.ts';
import { createPayloadValidator } from '../../schemas/validator.ts';

export function unitOfWorkOf(database: Database): PostgresUnitOfWork {
  return createUnitOfWork({ database, domain: my, catalogue: CATALOGUE, validator: createPayloadValidator(), logger: SILENT_LOGGER });
}

/** The handler that a group of the domain `my` gives its events to, composed as the product composes it. */
export function stepHandler(database: Database, processor: ProcessorDefinition): EventHandler {
  const unitOfWork = unitOfWorkOf(database);
  return createReactionHandler({
    processor,
    steps: { commit: (step) => commitStep(unitOfWork, step, systemClock) },
    calls: NO_CALLS,
    random: (length) => randomBytes(length),
    logger: SILENT_LOGGER,
    clock: systemClock,
  });
}

/** The reactions of these measurements call nobody. */
const NO_CALLS: CallRunner = { run: () => Promise.reject(new Error('nothing is to be called')) };
