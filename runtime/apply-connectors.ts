import type { BrokerAdmin } from '../core/broker.ts';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { DomainDefinition } from '../core/define.ts';
import type { ConnectRest } from '../connectors/debezium/connect-rest.ts';
import { registerConnector } from '../connectors/debezium/register.ts';
import { readCaptureOwner } from '../connectors/replication/capture-owner.ts';
import { withSqlSession } from '../connectors/replication/sql-session.ts';
import { ensureTablePublication } from '../connectors/replication/table-publication.ts';
import { tableTopicsOf } from '../schemas/topics.ts';
import { capturerOf, capturesTables, connectRest, outboxConnectorOf, tableConnectorOf } from './capture.ts';
import type { Config } from './config.ts';
import type { Capturer } from './config-settings.ts';
import { databaseUrl } from './database-url.ts';

export interface ConnectorOutcome {
  readonly changes: readonly string[];
  /** What was left out, in a sentence; that is no change. */
  readonly leftOut: readonly string[];
}

/**
 * Makes what needs Kafka Connect: the topics, publications and connectors of whole tables, and the outbox connectors of the
 * domains that Debezium captures. Topics come first, for Connect would wait for a missing one without end.
 * Rejects with CONNECT_UNAVAILABLE, CONNECTOR_REFUSED and the errors of the servers.
 */
export async function applyConnectors(pipeline: PipelineDefinition, config: Config, admin: BrokerAdmin): Promise<ConnectorOutcome> {
  const rest = connectRest(config);
  const topics = tableTopicsOf(pipeline, config.names, config.kafka.replicationFactor);
  if (rest === undefined) {
    const named = topics.map(({ topic }) => topic).join(', ');
    const leftOut = topics.length === 0 ? [] : [`cdc.* topics are left out: KAFKA_CONNECT_URL is not set, and Debezium makes ${named}`];
    return { changes: [], leftOut };
  }
  const changes = [...(await admin.ensureTopics(topics))];
  const leftOut: string[] = [];
  for (const domain of pipeline.domains) {
    if (capturesTables(config, domain)) changes.push(...(await applyTables(domain, config, rest)));
    if (!domain.captured) continue;
    const owner = await ownerOf(domain.name, config);
    if (owner !== capturerOf(config, domain.name)) leftOut.push(disagreement(domain.name, owner));
    else if (owner === 'debezium') changes.push(...(await registerConnector(rest, await outboxConnectorOf(domain, config))));
  }
  return { changes, leftOut };
}

/** The publication comes before the slot, which Debezium makes: a slot does not see a publication that is younger than it. */
async function applyTables(domain: DomainDefinition, config: Config, rest: ConnectRest): Promise<readonly string[]> {
  const publication = { name: config.names.tablePublication(domain.name), schema: domain.name, tables: domain.tables ?? [] };
  const changes = await withSqlSession(databaseUrl(config, domain.name), async (sql) => ensureTablePublication(sql, publication));
  return [...changes, ...(await registerConnector(rest, await tableConnectorOf(domain, config)))];
}

async function ownerOf(domain: string, config: Config): Promise<Capturer> {
  return (await withSqlSession(databaseUrl(config, domain), async (sql) => readCaptureOwner(sql, domain))) ?? 'relay';
}

/** A slot changes hands by a handover, never because a setting was changed. */
function disagreement(domain: string, owner: Capturer): string {
  const setting = `CAPTURE_${domain.toUpperCase()}`;
  return owner === 'relay'
    ? `the outbox connector of ${domain} is left out: the slot is the relay's. Run \`millrace slot handover --domain ${domain} --to debezium\``
    : `${domain} is captured by Debezium since a handover, and the configuration says relay: set ${setting}=debezium, or hand it back`;
}
