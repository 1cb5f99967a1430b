import type { Part } from '../parts.ts';
import type { Ports } from '../ports.ts';
import type { Launch, StopStep } from './daemon.ts';
import type { Maven } from './maven.ts';
import type { Tool } from './toolchain.ts';

/** How one server is installed, started, addressed and stopped without containers. */
export interface NativePart {
  readonly part: Part;
  /** Parts that must answer before this one starts. */
  readonly needs: readonly Part[];
  readonly tools: readonly Tool[];
  readonly recipes: readonly Recipe[];
  readonly stopSteps: readonly StopStep[];
  address(ports: Ports, password: string): string;
  /** Makes the server's folder ready (idempotent) and tells how to start it. */
  prepare(context: PartContext): Promise<Launch>;
  /** Sets what a new server needs once it answers (idempotent). */
  settle?(address: string, signal: AbortSignal): Promise<void>;
}

/** Content of the cache that a server runs from. */
export interface Recipe {
  /** Holds the version, and whatever else decides about the content. */
  readonly name: string;
  readonly tools: readonly Tool[];
  fill(folder: string, tools: { readonly maven: Maven; readonly signal: AbortSignal }): Promise<void>;
}

export interface PartContext {
  /** Where this server keeps its data. */
  readonly folder: string;
  /** The installed recipes, in the order of the part's list. */
  readonly homes: readonly string[];
  readonly ports: Ports;
  readonly kafkaClusterId: string;
  /** Of the local PostgreSQL's superuser. */
  readonly password: string;
  readonly addresses: Readonly<Record<Part, string>>;
  readonly signal: AbortSignal;
}

/** JVM servers close their files on SIGTERM. */
export const STOP_JVM: readonly StopStep[] = [
  ['SIGTERM', 30_000],
  ['SIGKILL', 10_000],
];

export function homeOf(context: PartContext, index: number): string {
  const home = context.homes[index];
  if (home === undefined) throw new Error(`recipe ${index} is not installed`);
  return home;
}
