import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cloneFolder } from '../../stack/data-folder.ts';
import { runTool } from '../../stack/run-tool.ts';
import { createSchemaRegistry } from '../../schemas/registry.ts';
import { schemaOf } from '../../schemas/event-schema.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { Capture, RunningCapture } from './capture.ts';
import type { Lane } from './lane.ts';
import { ROUTE } from './outbox-table.ts';
import type { RelayOrder } from './relay-process.ts';
import type { Servers } from './servers.ts';

const KILL_AFTER_MS = 15_000;

export interface RelaySideOptions {
  readonly servers: Servers;
  readonly databaseUrl: string;
  /** The compiled program, by `compileRelay`. */
  readonly program: string;
  readonly wire: 'json' | 'avro';
  /** Where each process leaves a CPU profile at its end. */
  readonly profileFolder?: string | undefined;
}

/** Compiles the relay's process to JavaScript, as a deployment runs it, and returns its file. */
export async function compileRelay(folder: string, signal: AbortSignal): Promise<string> {
  await mkdir(folder, { recursive: true });
  const clone = cloneFolder();
  await runTool({
    command: process.execPath,
    args: [join(clone, 'node_modules/typescript/bin/tsc'), '-p', join(clone, 'bench/capture/tsconfig.relay.json'), '--outDir', folder],
    cwd: clone,
    signal,
    purpose: 'Compiling the relay',
    remedy: 'Run `npm run check:types` to see what is wrong with the sources.',
  });
  return join(folder, 'bench', 'capture', 'relay-process.js');
}

/** The relay of this repository, one process per lane. */
export function relaySide(options: RelaySideOptions): Capture {
  return {
    async start(lane) {
      if (options.wire === 'avro') await registerSchema(lane, options.servers.registryUrl);
      return startRelay(orderFor(lane, options), options);
    },
  };
}

function orderFor(lane: Lane, { servers, databaseUrl, wire }: RelaySideOptions): RelayOrder {
  return {
    domain: lane.domain,
    namespace: lane.names.namespace,
    route: ROUTE,
    databaseUrl,
    brokers: servers.kafkaBrokers,
    ...(wire === 'avro' ? { registryUrl: servers.registryUrl } : {}),
  };
}

async function registerSchema(lane: Lane, url: string): Promise<void> {
  await createSchemaRegistry({ url, logger: SILENT_LOGGER }).register(lane.names.subject(lane.topic), schemaOf('ImageRegistered'));
}

async function startRelay(order: RelayOrder, { program, profileFolder }: RelaySideOptions): Promise<RunningCapture> {
  const profiling = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];
  const child = spawn(process.execPath, [...profiling, program, JSON.stringify(order)], {
    // The channel tells the relay when the benchmark is gone; its log would mix with the progress, so only errors are kept.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let words = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(-4_000)));
  }
  await once(child, 'spawn');
  const ended = once(child, 'exit');
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid ?? 0,
    async assertRunning() {
      if (!isRunning()) throw new Error(`the relay has ended: ${words}`);
    },
    async stop() {
      if (!isRunning()) return;
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
      await ended;
      clearTimeout(killer);
    },
  };
}
