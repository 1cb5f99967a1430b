import type { DomainDefinition } from '../core/define.ts';
import { captureSource } from '../connectors/outbox/relay.ts';
import { SourceIdentity } from '../connectors/replication/source-identity.ts';
import type { Connections } from './connections.ts';
import { captureUrl, databaseUrl } from './database-url.ts';
import { outboxRetentionDays } from './outbox-retention.ts';
import { systemClock } from './telemetry/system-clock.ts';

/** What a domain's capture is compared with: its database, its slot, and every topic that it publishes to, that of its dead letters included. */
export function createSourceIdentity(domain: DomainDefinition, connections: Connections): SourceIdentity {
  const { config, logger } = connections;
  return new SourceIdentity({
    source: captureSource(domain.name, databaseUrl(config, domain.name), config.names),
    replicationUrl: captureUrl(config, domain.name),
    topics: domain.events.map(({ route }) => config.names.eventTopic(route)),
    letters: config.names.captureDeadLetterTopic(domain.name),
    outboxKeptDays: outboxRetentionDays(domain, config),
    memory: connections.sourceMemory(),
    reader: connections.logReader(),
    clock: systemClock,
    logger: logger.child({ domain: domain.name }),
  });
}
