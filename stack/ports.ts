import { createConnection, createServer } from 'node:net';
import type { Part } from './parts.ts';

/** Every port the stack listens on; the second port of a server is its internal one. */
export const PORT_NAMES = [
  'postgres',
  'kafka',
  'kafkaController',
  'registry',
  'redis',
  'elasticsearch',
  'elasticsearchTransport',
  'debezium',
] as const;

export type PortName = (typeof PORT_NAMES)[number];

export type Ports = Readonly<Record<PortName, number>>;

export const PORTS_OF: Readonly<Record<Part, readonly PortName[]>> = {
  postgres: ['postgres'],
  kafka: ['kafka', 'kafkaController'],
  registry: ['registry'],
  redis: ['redis'],
  elasticsearch: ['elasticsearch', 'elasticsearchTransport'],
  debezium: ['debezium'],
};

/** Below the range from which systems take ports for outgoing connections, so that nobody takes one by accident. */
const LOWEST = 20_000;
const HIGHEST = 29_999;

/** `count` different ports on which nobody listens, none of them in `taken`. */
export async function freePorts(count: number, taken: Iterable<number> = [], random: () => number = Math.random): Promise<number[]> {
  const seen = new Set(taken);
  const found: number[] = [];
  while (found.length < count) {
    if (seen.size > HIGHEST - LOWEST) throw new Error(`no free port between ${LOWEST} and ${HIGHEST}`);
    const port = LOWEST + Math.floor(random() * (HIGHEST - LOWEST + 1));
    if (seen.has(port)) continue;
    seen.add(port);
    if (await isFree(port)) found.push(port);
  }
  return found;
}

/** The same ports, except those of `stopped` parts on which somebody else listens by now. */
export async function portsWithoutTaken(ports: Ports, stopped: readonly Part[]): Promise<Ports> {
  const names: PortName[] = [];
  for (const name of stopped.flatMap((part) => PORTS_OF[part])) {
    if (!(await isFree(ports[name]))) names.push(name);
  }
  const fresh = await freePorts(names.length, Object.values(ports));
  return { ...ports, ...Object.fromEntries(names.map((name, index) => [name, fresh[index]])) };
}

/** Whether a server could listen there on the loopback interface. */
export async function isFree(port: number): Promise<boolean> {
  return !(await answers(port)) && (await bindable(port));
}

function bindable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Some systems let a second server bind beside one that listens on all interfaces; a connection tells. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1', timeout: 1_000 });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => settle(true));
    socket.once('timeout', () => settle(false));
    socket.once('error', () => settle(false));
  });
}
