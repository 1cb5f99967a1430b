import { composeAccounts } from '../api/compose-accounts.ts';
import { composeCommands, composeUsers } from '../api/compose-commands.ts';
import { composeDeadLetters } from '../api/compose-dead-letters.ts';
import { composeQueries } from '../api/compose-queries.ts';
import { createApi } from '../api/create-api.ts';
import { createOperationsServer } from '../api/operations-server.ts';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { ClassifiedError } from '../core/errors.ts';
import type { HealthSource, Service } from '../core/lifecycle.ts';
import type { Logger } from '../core/log.ts';
import type { Part } from '../runtime/compose.ts';
import { composeRoles } from '../runtime/compose.ts';
import type { Config } from '../runtime/config.ts';
import { Connections } from '../runtime/connections.ts';
import { Lifecycle } from '../runtime/lifecycle.ts';
import { createDatabaseProbe } from '../runtime/postgres/database-probe.ts';
import type { Roles } from '../runtime/roles.ts';
import type { RenderedMetrics } from '../runtime/telemetry/metrics.ts';
import { createMetrics } from '../runtime/telemetry/metrics.ts';
import { systemClock } from '../runtime/telemetry/system-clock.ts';
import { signInOptions, tokenOptions } from './token-options.ts';

export interface ProcessOptions {
  readonly service: string;
  readonly pipeline: PipelineDefinition;
  readonly roles: Roles;
  readonly config: Config;
  readonly logger: Logger;
  readonly onFatal: (error: ClassifiedError) => void;
}

/** One process: connections, the parts of its roles, and the server that answers for it; in the order of starting. */
export function composeProcess(options: ProcessOptions): Lifecycle {
  const { service, pipeline, roles, config, logger, onFatal } = options;
  const metrics = createMetrics(service);
  const connections = new Connections(pipeline, config, logger, service);
  const parts = composeRoles(roles, { pipeline, connections, metrics: metrics.metrics, onFatal });
  const health = parts.filter((part): part is Part => 'health' in part);
  const servers = roles.api
    ? apiServer(options, connections, metrics, health)
    : [operationsServer(options, metrics, [...health, ...connections.health()])];
  return new Lifecycle([...connections.services(), ...parts, ...servers], logger);
}

function apiServer(
  { pipeline, config, logger }: ProcessOptions,
  connections: Connections,
  metrics: RenderedMetrics,
  health: readonly HealthSource[],
): Service[] {
  const probe = createDatabaseProbe(connections.database('image'), systemClock);
  const signIn = signInOptions(config);
  const server = createApi(
    {
      commands: composeCommands(connections),
      queries: composeQueries(connections, metrics.metrics, systemClock),
      accounts: signIn === undefined ? undefined : composeAccounts(connections, { ...signIn, clock: systemClock }),
      users: composeUsers(connections),
      deadLetters: composeDeadLetters(pipeline, connections, systemClock),
      health: [probe, ...health, ...connections.health()],
      renderMetrics: metrics.render,
      metrics: metrics.metrics,
      logger,
      clock: systemClock,
    },
    {
      host: config.http.host,
      port: config.http.port,
      auth: tokenOptions(config),
      timeZone: config.timeZone,
      bodyBytesMax: config.http.bodyBytesMax,
      rateLimits: { commandsPerMinute: config.http.commandsPerMinuteMax, queriesPerMinute: config.http.queriesPerMinuteMax },
      trustProxy: config.http.trustProxy,
    },
  );
  return [probe, server];
}

function operationsServer({ config, logger }: ProcessOptions, metrics: RenderedMetrics, health: readonly HealthSource[]): Service {
  return createOperationsServer({
    host: config.http.host,
    port: config.http.operationsPort,
    health,
    renderMetrics: metrics.render,
    metrics: metrics.metrics,
    logger,
    clock: systemClock,
  });
}
