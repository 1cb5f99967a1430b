import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { ConnectorStatus, ConnectRest } from '../connectors/debezium/connect-rest.ts';
import { verdictOn } from '../connectors/debezium/connector-watch.ts';
import { removeConnector } from '../connectors/debezium/life.ts';
import { dropSlot } from '../connectors/replication/slot.ts';
import { withSqlSession } from '../connectors/replication/sql-session.ts';
import { capturerOf, capturesTables } from './capture.ts';
import type { Config } from './config.ts';
import { captureUrl } from './database-url.ts';
import { systemClock } from './telemetry/system-clock.ts';

/** A connector that the pipeline can have. */
export interface DeclaredConnector {
  readonly name: string;
  readonly domain: string;
  readonly captures: 'outbox' | 'tables';
  /** False: it may be there, after a handover to the relay, and need not. */
  readonly wanted: boolean;
}

export interface ShownConnector extends DeclaredConnector {
  readonly verdict: 'ok' | 'degraded' | 'down' | 'absent';
  readonly detail: string | undefined;
  readonly status: ConnectorStatus | undefined;
}

export function declaredConnectors(pipeline: PipelineDefinition, config: Config): readonly DeclaredConnector[] {
  return pipeline.domains.flatMap((domain): DeclaredConnector[] => [
    ...(domain.captured
      ? [
          {
            name: config.names.connector(domain.name),
            domain: domain.name,
            captures: 'outbox' as const,
            wanted: capturerOf(config, domain.name) === 'debezium',
          },
        ]
      : []),
    ...(capturesTables(config, domain)
      ? [{ name: config.names.tableConnector(domain.name), domain: domain.name, captures: 'tables' as const, wanted: true }]
      : []),
  ]);
}

/** What Connect says of each; connectors that are neither wanted nor there are left out. Rejects with CONNECT_UNAVAILABLE. */
export async function showConnectors(rest: ConnectRest, declared: readonly DeclaredConnector[]): Promise<readonly ShownConnector[]> {
  const shown: ShownConnector[] = [];
  for (const connector of declared) {
    const status = await rest.status(connector.name);
    if (status === undefined) {
      if (connector.wanted) shown.push({ ...connector, verdict: 'absent', detail: 'not registered: run `millrace apply`', status });
      continue;
    }
    const verdict = verdictOn(status);
    // After a handover to the relay it stands by on purpose.
    const atRest = !connector.wanted && status.state === 'STOPPED';
    shown.push({ ...connector, verdict: atRest ? 'ok' : verdict.status, detail: atRest ? undefined : verdict.detail, status });
  }
  return shown;
}

/** What `deleteConnector` would do, in words; changes nothing. Rejects with CONNECT_UNAVAILABLE. */
export async function planDeletion(rest: ConnectRest, connector: DeclaredConnector, config: Config): Promise<readonly string[]> {
  const isThere = (await rest.status(connector.name)) !== undefined;
  const said = isThere ? `would delete the connector ${connector.name} with its offsets` : `connector ${connector.name}: is not there`;
  if (connector.captures === 'outbox') {
    return [said, `slot ${config.names.slot(connector.domain)} would stay, and keep WAL until the relay or a new connector reads from it`];
  }
  const slot = config.names.tableSlot(connector.domain);
  return [said, `would drop the slot ${slot}, if it is there; the next connector publishes every row of its tables again`];
}

/**
 * Removes a connector with its offsets; returns what that leaves behind, in words. Of a table connector the slot goes, too:
 * the rows are in the tables, and its next life begins by reading them. The slot of an outbox is what no event is lost by,
 * and stays.
 */
export async function deleteConnector(rest: ConnectRest, connector: DeclaredConnector, config: Config): Promise<readonly string[]> {
  const removed = await removeConnector(rest, connector.name, systemClock);
  const said = [removed ? `connector ${connector.name}: deleted with its offsets` : `connector ${connector.name}: was not there`];
  if (connector.captures === 'outbox') {
    return [...said, `slot ${config.names.slot(connector.domain)} stays and keeps WAL until the relay or a new connector reads from it`];
  }
  const slot = config.names.tableSlot(connector.domain);
  await withSqlSession(captureUrl(config, connector.domain), async (sql) => dropSlot(sql, slot, systemClock));
  return [...said, `slot ${slot}: dropped; the next connector publishes every row of its tables again`];
}
