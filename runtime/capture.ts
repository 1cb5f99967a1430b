import type { DomainDefinition } from '../core/define.ts';
import { ConnectRest } from '../connectors/debezium/connect-rest.ts';
import type { Connector, ConnectorDatabase } from '../connectors/debezium/connector.ts';
import { outboxConnector } from '../connectors/debezium/outbox-connector.ts';
import { hasFailoverSlots, payloadType } from '../connectors/debezium/source-facts.ts';
import { tableConnector } from '../connectors/debezium/table-connector.ts';
import type { Config } from './config.ts';
import type { Capturer } from './config-settings.ts';
import { captureUrl } from './database-url.ts';
import { systemClock } from './telemetry/system-clock.ts';

/** Who is to publish the outbox of the domain. */
export function capturerOf(config: Pick<Config, 'capture'>, domain: string): Capturer {
  return config.capture.domainsBy[domain] ?? config.capture.by;
}

/** Undefined when no Kafka Connect is configured. */
export function connectRest(config: Config): ConnectRest | undefined {
  if (config.connect === undefined) return undefined;
  return new ConnectRest({ url: config.connect.url, auth: config.connect.auth, secrets: passwordsOf(config), clock: systemClock });
}

/** Asks the domain's database what the configuration follows from. */
export async function outboxConnectorOf(domain: DomainDefinition, config: Config): Promise<Connector> {
  const url = captureUrl(config, domain.name);
  return outboxConnector({
    domain: domain.name,
    names: config.names,
    database: connectorDatabase(config, domain.name),
    routes: domain.events.map(({ route }) => route),
    payload: await payloadType(url, domain.name),
    failoverSlot: await hasFailoverSlots(url),
  });
}

export async function tableConnectorOf(domain: DomainDefinition, config: Config): Promise<Connector> {
  return tableConnector({
    domain: domain.name,
    names: config.names,
    database: connectorDatabase(config, domain.name),
    tables: domain.tables ?? [],
    failoverSlot: await hasFailoverSlots(captureUrl(config, domain.name)),
  });
}

function connectorDatabase(config: Config, domain: string): ConnectorDatabase {
  const { connect } = config;
  if (connect === undefined) throw new RangeError('a connector without Kafka Connect');
  const hasOwnServer = (config.capture.domainUrls[domain] ?? config.postgres.domainUrls[domain]) !== undefined;
  return {
    url: captureUrl(config, domain),
    passwordReference: connect.domainPasswordReferences[domain] ?? connect.passwordReference,
    address: hasOwnServer ? undefined : connect.postgresAddress,
  };
}

/** As written in URLs and as meant: an error of the driver may hold either. */
function passwordsOf(config: Config): string[] {
  const { postgres, capture } = config;
  const common = capture.url === undefined ? [postgres.url] : [postgres.url, capture.url];
  const urls = [...common, ...Object.values(postgres.domainUrls), ...Object.values(capture.domainUrls)].map((url) => new URL(url).password);
  return [...new Set([...urls, ...urls.map((password) => decodeURIComponent(password)), config.connect?.auth?.password ?? ''])];
}

/** The table connector of a domain is there when there are tables and a Connect to capture them. */
export function capturesTables(config: Pick<Config, 'connect'>, domain: Pick<DomainDefinition, 'tables'>): boolean {
  return config.connect !== undefined && (domain.tables ?? []).length > 0;
}
