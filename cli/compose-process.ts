import type { HealthSource, Service } from '../core/lifecycle.ts';
import type { Part } from '../runtime/compose.ts';
import { composeRoles } from '../runtime/compose.ts';
import { Connections } from '../runtime/connections.ts';
import { Lifecycle } from '../runtime/lifecycle.ts';
import { pause } from '../runtime/processing/pause.ts';
import { renderingHealth } from '../runtime/telemetry/health-metrics.ts';
import type { RenderedMetrics } from '../runtime/telemetry/metrics.ts';
import { createMetrics } from '../runtime/telemetry/metrics.ts';
import { systemClock } from '../runtime/telemetry/system-clock.ts';
import type { ProcessOptions } from './process-options.ts';

/** One process: connections, the parts of its roles, and the server that answers for it; in the order of starting. */
export async function composeProcess(options: ProcessOptions): Promise<Lifecycle> {
  const { service, pipeline, roles, config, logger, onFatal } = options;
  const metrics = createMetrics(service);
  const connections = new Connections(pipeline, config, logger, service);
  const parts = composeRoles(roles, { pipeline, connections, metrics: metrics.metrics, onFatal });
  const health = parts.flat().filter((part): part is Part => 'health' in part);
  const servers = roles.api
    ? (await import('./api-server.ts')).apiServer(options, connections, metrics, health)
    : [operationsServer(options, metrics, [...health, ...connections.health()])];
  return new Lifecycle([...connections.services(), ...parts, ...servers], logger);
}

/** Loading the library of the server takes a tenth of a second of the thread: what has waited for this process goes first. */
const FIRST_EVENTS_MS = 250;

function operationsServer({ config, logger }: ProcessOptions, metrics: RenderedMetrics, health: readonly HealthSource[]): Service {
  const create = async (): Promise<Service> =>
    (await import('../api/operations-server.ts')).createOperationsServer({
      host: config.http.host,
      port: config.http.operationsPort,
      health,
      renderMetrics: renderingHealth(metrics, health),
      metrics: metrics.metrics,
      logger,
      clock: systemClock,
    });
  let server: Promise<Service> | undefined;
  return {
    name: 'operations',
    start: async (signal) => {
      await pause(systemClock, FIRST_EVENTS_MS, signal);
      if (!signal.aborted) await (await (server ??= create())).start(signal);
    },
    stop: async (hard) => (await server)?.stop(hard),
  };
}
