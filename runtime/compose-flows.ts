import { randomBytes } from 'node:crypto';
import type { HealthSource, Service } from '../core/lifecycle.ts';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { Metrics } from '../core/metrics.ts';
import { CATALOGUE } from '../schemas/catalogue.ts';
import type { Connections } from './connections.ts';
import { databaseUrl, PLATFORM } from './database-url.ts';
import type { FlowSources } from './flows/load-flows.ts';
import type { LocateSources } from './flows/locate-steps.ts';
import { FlowSweep } from './flows/flow-sweep.ts';
import { createFlowSweeper } from './flows/flow-sweeper.ts';
import { createSettleStep } from './flows/settle-step.ts';
import { SessionLock } from './postgres/session-lock.ts';
import { systemClock } from './telemetry/system-clock.ts';

const EVENTS_MAX = 200;
const RECORDS_MAX = 200_000;

/** What flows are read from: the stores and inboxes of all domains, and the topics between them. */
export function flowSources(pipeline: PipelineDefinition, connections: Connections): FlowSources & LocateSources {
  return {
    pipeline,
    catalogue: CATALOGUE,
    names: connections.config.names,
    database: (domain) => connections.database(domain),
    admin: connections.brokerAdmin(),
    reader: connections.logReader(),
    eventsMax: EVENTS_MAX,
    recordsMax: RECORDS_MAX,
  };
}

/** The sweep over the flows of all sagas. Several processes may have it: one works, the others stand by. */
export function flowSweeper(pipeline: PipelineDefinition, connections: Connections, metrics: Metrics): Service & HealthSource {
  const logger = connections.logger.child({ 'log.logger': 'flows' });
  const platform = connections.platform();
  const settle = createSettleStep({
    unitOfWork: (domain) => connections.unitOfWork(domain),
    random: (length) => randomBytes(length),
    clock: systemClock,
  });
  return createFlowSweeper({
    sweep: new FlowSweep({ ...flowSources(pipeline, connections), platform, settle, metrics, logger }),
    lock: new SessionLock(databaseUrl(connections.config, PLATFORM), 'millrace flows'),
    platform,
    sagas: (pipeline.sagas ?? []).map(({ name }) => name),
    metrics,
    clock: systemClock,
    logger,
  });
}
