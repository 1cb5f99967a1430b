import type { GivenEndpoints } from './endpoints.ts';
import type { Part } from './parts.ts';
import type { StackEvent } from './progress.ts';

/** Servers as plain processes, or as containers. */
export type Flavour = 'native' | 'docker';

/** One way to run the servers. The caller holds the data folder's lock around `up`, `down` and `reset`. */
export interface Stack {
  /** Starts what does not run yet and resolves when every wanted part answers. Rejects after stopping what it had started. */
  up(request: UpRequest): Promise<Readonly<Record<Part, string>>>;
  /** Stops the parts, or all; softly first, then hard after a deadline. Data stays. */
  down(parts: readonly Part[] | undefined, report: (event: StackEvent) => void): Promise<void>;
  status(): Promise<readonly PartStatus[]>;
  /** Deletes what the stopped servers keep outside the data folder. */
  discard(): Promise<void>;
}

export interface UpRequest {
  readonly parts: readonly Part[];
  readonly given: GivenEndpoints;
  readonly signal: AbortSignal;
  readonly report: (event: StackEvent) => void;
}

export interface PartStatus {
  readonly part: Part;
  readonly state: 'running' | 'not answering' | 'stopped';
  readonly address: string;
  readonly pid?: number;
  readonly log?: string;
}
