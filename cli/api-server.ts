import { composeAccounts } from '../api/compose-accounts.ts';
import { composeCommands, composeUsers } from '../api/compose-commands.ts';
import { composeDeadLetters } from '../api/compose-dead-letters.ts';
import { composeQueries } from '../api/compose-queries.ts';
import { composeRevocations } from '../api/compose-revocations.ts';
import { composeUploads } from '../api/compose-uploads.ts';
import { createApi } from '../api/create-api.ts';
import type { HealthSource, Service } from '../core/lifecycle.ts';
import { createRevocationStore } from '../projectors/redis/revocation-store.ts';
import type { Connections } from '../runtime/connections.ts';
import { createDatabaseProbe } from '../runtime/postgres/database-probe.ts';
import { renderingHealth } from '../runtime/telemetry/health-metrics.ts';
import type { RenderedMetrics } from '../runtime/telemetry/metrics.ts';
import { systemClock } from '../runtime/telemetry/system-clock.ts';
import type { ProcessOptions } from './process-options.ts';
import { signInOptions, tokenOptions } from './token-options.ts';

/** The HTTP interface with what it needs, in the order of starting. */
export function apiServer(
  { pipeline, config, logger }: ProcessOptions,
  connections: Connections,
  metrics: RenderedMetrics,
  health: readonly HealthSource[],
): Service[] {
  const probe = createDatabaseProbe(connections.database('image'), systemClock);
  const all = [probe, ...health, ...connections.health()];
  const signIn = signInOptions(config);
  const revocations = composeRevocations({
    store: createRevocationStore({ redis: connections.redis('auth').client, names: config.names }),
    database: connections.database('auth'),
    metrics: metrics.metrics,
    logger,
    clock: systemClock,
  });
  const server = createApi(
    {
      commands: composeCommands(connections),
      queries: composeQueries(connections, metrics.metrics, systemClock),
      accounts: signIn === undefined ? undefined : composeAccounts(connections, { ...signIn, revocations, clock: systemClock }),
      uploads: config.uploads === undefined ? undefined : composeUploads(config.uploads, systemClock),
      users: composeUsers(connections),
      revocations,
      deadLetters: composeDeadLetters(pipeline, connections, systemClock),
      health: all,
      renderMetrics: renderingHealth(metrics, all),
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
