import type { Clock } from '../../core/clock.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { ConnectorConfig } from './connector.ts';
import { shortTrace, withoutSecrets } from './trace.ts';

export interface ConnectRestOptions {
  /** Base of Connect's REST interface; without credentials. */
  readonly url: string;
  readonly auth?: { readonly username: string; readonly password: string } | undefined;
  /** Texts that no answer of Connect may bring into a message: the passwords of the databases. */
  readonly secrets: readonly string[];
  readonly clock: Clock;
  /** Of one request. */
  readonly timeoutMs?: number;
  /** How long a request is tried again while Connect shares out its work (HTTP 409). */
  readonly rebalancePatienceMs?: number;
}

export type RunState = 'RUNNING' | 'PAUSED' | 'STOPPED' | 'FAILED' | 'UNASSIGNED' | 'RESTARTING' | 'DESTROYED';

export interface TaskStatus {
  readonly id: number;
  readonly state: RunState;
  readonly worker: string;
  /** The heart of the stack trace, without secrets; when the task has failed. */
  readonly trace?: string;
}

export interface ConnectorStatus {
  readonly name: string;
  readonly state: RunState;
  readonly trace?: string;
  readonly tasks: readonly TaskStatus[];
}

const TIMEOUT_MS = 10_000;
const REBALANCE_PATIENCE_MS = 30_000;
const REBALANCE_PAUSE_MS = 200;

/**
 * Kafka Connect's REST interface, as far as a connector's life needs it. Every method may be repeated. Rejects with
 * CONNECT_UNAVAILABLE for whatever may pass, CONNECTOR_REFUSED when the worker refuses what it was told, CONNECTOR_MISSING.
 */
export class ConnectRest {
  private readonly options: ConnectRestOptions;

  constructor(options: ConnectRestOptions) {
    this.options = options;
  }

  async connectors(): Promise<readonly string[]> {
    return (await this.call('GET', '/connectors')) as string[];
  }

  /** Undefined when there is no such connector. */
  async config(name: string): Promise<ConnectorConfig | undefined> {
    return (await this.find(`${path(name)}/config`)) as ConnectorConfig | undefined;
  }

  /** Makes the connector or changes it; it starts, unless it is stopped or paused. */
  async put(name: string, config: ConnectorConfig): Promise<void> {
    await this.call('PUT', `${path(name)}/config`, config);
  }

  /** Makes the connector without starting it. Of one that exists, nothing changes. */
  async createStopped(name: string, config: ConnectorConfig): Promise<void> {
    if ((await this.config(name)) !== undefined) return;
    await this.call('POST', '/connectors', { name, config, initial_state: 'STOPPED' });
  }

  /** Undefined when there is no such connector, or when it is so new that nothing is known of it. */
  async status(name: string): Promise<ConnectorStatus | undefined> {
    const status = (await this.find(`${path(name)}/status`)) as RawStatus | undefined;
    if (status === undefined) return undefined;
    const trace = (text: string | undefined): { trace?: string } =>
      text === undefined ? {} : { trace: shortTrace(text, this.options.secrets) };
    return {
      name,
      state: status.connector.state,
      ...trace(status.connector.trace),
      tasks: status.tasks.map((task) => ({ id: task.id, state: task.state, worker: task.worker_id, ...trace(task.trace) })),
    };
  }

  /** The task keeps its slot, and reads no further. */
  async pause(name: string): Promise<void> {
    await this.call('PUT', `${path(name)}/pause`);
  }

  async resume(name: string): Promise<void> {
    await this.call('PUT', `${path(name)}/resume`);
  }

  /** The task ends and gives its slot back; configuration and offsets stay. Resolves before that is done. */
  async stop(name: string): Promise<void> {
    await this.call('PUT', `${path(name)}/stop`);
  }

  /** Starts the connector and its tasks again; with `onlyFailed`, those that have failed. */
  async restart(name: string, onlyFailed: boolean): Promise<void> {
    await this.call('POST', `${path(name)}/restart?includeTasks=true&onlyFailed=${onlyFailed}`);
  }

  /** True when it was there. */
  async remove(name: string): Promise<boolean> {
    return (await this.find(path(name), 'DELETE')) !== undefined;
  }

  async offsets(name: string): Promise<readonly unknown[]> {
    return ((await this.call('GET', `${path(name)}/offsets`)) as { offsets: unknown[] }).offsets;
  }

  /** Only of a connector that is stopped. */
  async forgetOffsets(name: string): Promise<void> {
    await this.call('DELETE', `${path(name)}/offsets`);
  }

  private async find(where: string, method = 'GET'): Promise<unknown> {
    try {
      return await this.call(method, where);
    } catch (error) {
      if (error instanceof ClassifiedError && error.code === 'CONNECTOR_MISSING') return undefined;
      throw error;
    }
  }

  private async call(method: string, where: string, body?: unknown): Promise<unknown> {
    const { clock, rebalancePatienceMs = REBALANCE_PATIENCE_MS } = this.options;
    const deadline = clock.monotonicMs() + rebalancePatienceMs;
    for (;;) {
      const { status, text } = await this.request(method, where, body);
      if (status < 300) return text === '' ? {} : parsed(text);
      if (status !== 409 || clock.monotonicMs() > deadline) throw this.refusal(status, text);
      await clock.sleep(REBALANCE_PAUSE_MS);
    }
  }

  private async request(method: string, where: string, body: unknown): Promise<{ status: number; text: string }> {
    const { url, auth, timeoutMs = TIMEOUT_MS } = this.options;
    const headers: Record<string, string> = { accept: 'application/json' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (auth !== undefined) headers['authorization'] = `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;
    try {
      const response = await fetch(`${url.replace(/\/$/, '')}${where}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(timeoutMs),
      });
      return { status: response.status, text: await response.text() };
    } catch (thrown) {
      throw new ClassifiedError('CONNECT_UNAVAILABLE', 'Kafka Connect does not answer', { cause: thrown });
    }
  }

  private refusal(status: number, text: string): ClassifiedError {
    if (status === 404) return new ClassifiedError('CONNECTOR_MISSING', 'Kafka Connect knows no such connector');
    if (status === 401 || status === 403) return new ClassifiedError('CONFIGURATION_INVALID', 'Kafka Connect refuses these credentials');
    const reason = withoutSecrets(reasonOf(text), this.options.secrets);
    if (status >= 500 || status === 409) return new ClassifiedError('CONNECT_UNAVAILABLE', `Kafka Connect answers ${status}: ${reason}`);
    return new ClassifiedError('CONNECTOR_REFUSED', `Kafka Connect refuses it (${status}): ${reason}`);
  }
}

interface RawStatus {
  readonly connector: { readonly state: RunState; readonly trace?: string };
  readonly tasks: readonly { readonly id: number; readonly state: RunState; readonly worker_id: string; readonly trace?: string }[];
}

function path(name: string): string {
  return `/connectors/${encodeURIComponent(name)}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new ClassifiedError('CONNECT_UNAVAILABLE', 'what answers at KAFKA_CONNECT_URL is not Kafka Connect', { cause: thrown });
  }
}

function reasonOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === 'string' ? message : 'without a reason';
  } catch {
    return 'without a reason';
  }
}
