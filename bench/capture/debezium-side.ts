import { setTimeout as sleep } from 'node:timers/promises';
import type { Capture } from './capture.ts';
import { connectorConfig, type Tuning } from './connector-config.ts';
import type { Lane } from './lane.ts';
import type { OwnServers } from '../servers.ts';

const SETTLE_WITHIN_MS = 60_000;
const POLL_MS = 20;

/** Debezium on Kafka Connect, one connector per lane, all in the one worker: it stays warm from one lane to the next. */
export function debeziumSide(servers: OwnServers, databaseUrl: string, tuning: Tuning): Capture {
  const connect = new ConnectApi(servers.connectUrl);
  return {
    async start(lane) {
      const name = connectorOf(lane);
      await connect.request('PUT', `/connectors/${name}/config`, connectorConfig(lane, new URL(databaseUrl), tuning));
      const pid = await servers.pid('debezium');
      return {
        pid,
        assertRunning: async () => {
          const failure = await connect.failureOf(name);
          if (failure !== undefined) throw new Error(`Debezium has failed: ${failure}`);
        },
        stop: async () => connect.remove(name),
      };
    },
  };
}

export function connectorOf(lane: Lane): string {
  return `${lane.names.namespace}-connector`;
}

interface ConnectorStatus {
  readonly tasks: readonly { readonly state: string; readonly trace?: string }[];
}

class ConnectApi {
  private readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** What a failed task said, in one line; undefined while none has failed. */
  async failureOf(name: string): Promise<string | undefined> {
    const status = (await this.request('GET', `/connectors/${name}/status`)) as ConnectorStatus | undefined;
    const trace = status?.tasks.find(({ state }) => state === 'FAILED')?.trace;
    return trace === undefined ? undefined : reasonOf(trace);
  }

  /** Resolves when the connector is gone from the worker. */
  async remove(name: string): Promise<void> {
    await this.request('DELETE', `/connectors/${name}`);
    for (const deadline = Date.now() + SETTLE_WITHIN_MS; (await this.request('GET', `/connectors/${name}/status`)) !== undefined;) {
      if (Date.now() > deadline) throw new Error(`Kafka Connect does not remove ${name}`);
      await sleep(POLL_MS);
    }
  }

  /** Undefined for what does not exist. While the worker is busy with its group (409), the request is repeated. */
  async request(method: string, path: string, body?: unknown): Promise<unknown> {
    for (const deadline = Date.now() + SETTLE_WITHIN_MS; ;) {
      const response = await fetch(this.url + path, {
        method,
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (response.status === 404) return undefined;
      if (response.ok) return text === '' ? undefined : (JSON.parse(text) as unknown);
      if (response.status !== 409 || Date.now() > deadline) {
        throw new Error(`Kafka Connect answered ${method} ${path} with ${response.status}: ${text.slice(0, 300)}`);
      }
      await sleep(POLL_MS);
    }
  }
}

/** The first and the last cause of a Java stack trace: what happened, and why. */
export function reasonOf(trace: string): string {
  const [first = '', ...rest] = trace.split('\n');
  const cause = rest
    .filter((line) => line.startsWith('Caused by: '))
    .at(-1)
    ?.slice('Caused by: '.length);
  return cause === undefined ? first.trim() : `${first.trim()} because of ${cause.trim()}`;
}
