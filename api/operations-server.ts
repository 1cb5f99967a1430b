import type { HealthSource } from '../core/lifecycle.ts';
import { createBaseServer } from './base-server.ts';
import { createHttpService } from './http-service.ts';
import type { HttpService } from './http-service.ts';
import { addOperationsRoutes } from './operations-routes.ts';
import { ProblemSchema } from './problem-answers.ts';
import type { RenderMetrics } from './ports.ts';
import type { Telemetry } from './request-context.ts';

export interface OperationsServerOptions extends Telemetry {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly health: readonly HealthSource[];
  readonly renderMetrics: RenderMetrics;
}

/** Health and metrics of a process without an API: relay, processors, projectors. */
export function createOperationsServer(options: OperationsServerOptions): HttpService {
  let stopping = false;
  const app = createBaseServer({
    logger: options.logger,
    metrics: options.metrics,
    clock: options.clock,
    bodyBytesMax: 1_024,
    trustProxy: false,
    requestTimeoutMs: 10_000,
    handlerTimeoutMs: 10_000,
    keepAliveTimeoutMs: 65_000,
    isStopping: () => stopping,
  });
  app.addSchema(ProblemSchema);
  addOperationsRoutes(app, { health: options.health, metrics: options.renderMetrics, logger: options.logger, isStopping: () => stopping });
  return createHttpService(app, { name: 'operations', host: options.host, port: options.port, onStopping: () => (stopping = true) });
}
