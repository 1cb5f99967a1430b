import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { TSchema } from 'typebox';
import type { HealthReport, HealthSource } from '../core/lifecycle.ts';
import type { Logger } from '../core/log.ts';
import { described } from './api-route.ts';
import { problemAnswers } from './problem-answers.ts';
import type { RenderMetrics } from './ports.ts';

export interface OperationsDependencies {
  readonly health: readonly HealthSource[];
  readonly metrics: RenderMetrics;
  readonly logger: Logger;
  /** True from the moment a stop begins: no new work should be sent here. */
  readonly isStopping: () => boolean;
}

const Status = Type.Enum(['ok', 'degraded', 'down']);
const Readiness = Type.Object({
  status: Status,
  checks: Type.Array(Type.Object({ name: Type.String(), status: Status })),
});
const Details = Type.Object({
  status: Status,
  checks: Type.Array(
    Type.Object({
      name: Type.String(),
      status: Status,
      detail: Type.Optional(Type.String()),
      facts: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]))),
    }),
  ),
});

/** Health and metrics: the same in every process, whatever its role. */
export function addOperationsRoutes(app: FastifyInstance, dependencies: OperationsDependencies): void {
  const live = describe('live', 'The process runs; asks no dependency', Type.Object({ status: Status }));
  app.get('/health/live', { schema: live }, async () => ({ status: 'ok' }));

  const ready = describe('ready', 'The process makes progress: send work here', Readiness, Readiness);
  app.get('/health/ready', { schema: ready }, async (_request, reply) => {
    const checks = reports(dependencies);
    const status = worst(checks);
    return reply.code(status === 'down' ? 503 : 200).send({ status, checks });
  });

  const details = describe('health', 'Every check with its facts, and what the operator should do', Details, Details);
  app.get('/health', { schema: details }, async (_request, reply) => {
    const checks = reports(dependencies);
    const status = worst(checks);
    return reply.code(status === 'down' ? 503 : 200).send({ status, checks });
  });

  const metrics = { ...describe('metrics', 'Metrics as text for Prometheus', Type.String()), produces: ['text/plain'] };
  app.get('/metrics', { schema: metrics }, async (_request, reply) => {
    const rendered = await dependencies.metrics();
    return reply
      .type(rendered.contentType)
      .serializer((text: string) => text)
      .send(rendered.body);
  });
}

function describe(operationId: string, summary: string, ok: TSchema, down?: TSchema): object {
  return {
    operationId,
    tags: ['operations'],
    summary,
    response: {
      200: described(ok, summary),
      ...(down === undefined ? {} : { 503: described(down, 'At least one check is down') }),
      ...problemAnswers('internal'),
    },
  };
}

function reports({ health, logger, isStopping }: OperationsDependencies): HealthReport[] {
  const stopping: HealthReport[] = isStopping() ? [{ name: 'http', status: 'down', detail: 'The process is stopping.' }] : [];
  return [...stopping, ...health.flatMap((source) => ask(source, logger))];
}

/** A source that fails to answer is down; it must not take the others' reports with it. */
function ask(source: HealthSource, logger: Logger): HealthReport[] {
  try {
    return source.health();
  } catch (error) {
    logger.error({ 'log.logger': 'health' }, 'a health check failed', error);
    return [{ name: 'health', status: 'down', detail: 'A health check failed; look at the log.' }];
  }
}

function worst(checks: readonly HealthReport[]): HealthReport['status'] {
  if (checks.some(({ status }) => status === 'down')) return 'down';
  return checks.some(({ status }) => status === 'degraded') ? 'degraded' : 'ok';
}
