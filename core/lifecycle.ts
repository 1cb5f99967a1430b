/**
 * Something that holds a socket or a timer. `start` resolves when it works and rejects when it cannot, leaving nothing
 * behind. `stop` may be called twice, and before or during `start`; it ends softly (what is in hand is finished and its
 * progress made durable) until the signal aborts, and then at once. Stopping is not an error.
 */
export interface Service {
  readonly name: string;
  start(signal: AbortSignal): Promise<void>;
  stop(hard: AbortSignal): Promise<void>;
}

/** What a service says of itself. Ready means making progress; live never asks a dependency. */
export interface HealthReport {
  readonly name: string;
  readonly status: 'ok' | 'degraded' | 'down';
  /** A sentence for the operator when the status is not `ok`. */
  readonly detail?: string;
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
}

export interface HealthSource {
  health(): HealthReport[];
}
