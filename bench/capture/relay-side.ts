import { createSchemaRegistry } from '../../schemas/registry.ts';
import { schemaOf } from '../../schemas/event-schema.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { startProgram } from '../node-program.ts';
import type { Servers } from '../servers.ts';
import type { Capture } from './capture.ts';
import type { Lane } from './lane.ts';
import { ROUTE } from './outbox-table.ts';
import type { RelayOrder } from './relay-process.ts';

/** The program, for `bundlePrograms` and `compileProgram`. */
export const RELAY_PROGRAM = 'bench/capture/relay-process.ts';

export interface RelaySideOptions {
  readonly servers: Servers;
  readonly databaseUrl: string;
  /** `RELAY_PROGRAM` as JavaScript. */
  readonly program: string;
  readonly wire: 'json' | 'avro';
  /** Where each process leaves a CPU profile at its end. */
  readonly profileFolder?: string | undefined;
}

/** The relay of this repository, one process per lane. */
export function relaySide(options: RelaySideOptions): Capture {
  return {
    async start(lane) {
      if (options.wire === 'avro') await registerSchema(lane, options.servers.registryUrl);
      return startProgram({ program: options.program, order: orderFor(lane, options), profileFolder: options.profileFolder });
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
