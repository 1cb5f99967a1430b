import { createConnection, type Socket } from 'node:net';
import type { Part } from './parts.ts';

const PROBE_TIMEOUT_MS = 3_000;

/** Whether the server at that address does its work now. Never throws: what does not answer is not ready. */
export async function answers(part: Part, address: string): Promise<boolean> {
  try {
    return await PROBES[part](address);
  } catch {
    // Every failure of a probe, whatever its kind, is the answer "not yet".
    return false;
  }
}

const PROBES: Readonly<Record<Part, (address: string) => Promise<boolean>>> = {
  postgres: async (url) => postgresTakesSessions(new URL(url)),
  kafka: async (brokers) => kafkaHasBrokers(brokers),
  registry: async (url) => responds(`${url}/subjects`),
  redis: async (url) => redisPongs(new URL(url)),
  elasticsearch: async (url) => responds(`${url}/_cluster/health?wait_for_status=yellow&timeout=2s`),
  debezium: async (url) => responds(`${url}/connectors`),
};

async function responds(url: string): Promise<boolean> {
  const { credentials, bare } = splitCredentials(url);
  const response = await fetch(bare, { headers: credentials, signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
  await response.arrayBuffer();
  // A server that asks for credentials we do not have is there.
  return response.ok || response.status === 401 || response.status === 403;
}

function splitCredentials(address: string): { credentials: Record<string, string>; bare: string } {
  const url = new URL(address);
  if (url.username === '') return { credentials: {}, bare: address };
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  return { credentials: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }, bare: url.href };
}

/** PostgreSQL asks a new session for its password only when it takes sessions; while starting it answers with an error. */
async function postgresTakesSessions(url: URL): Promise<boolean> {
  const parameters = Buffer.from(`user\0${decodeURIComponent(url.username) || 'postgres'}\0database\0postgres\0\0`);
  const startup = Buffer.alloc(8);
  startup.writeInt32BE(8 + parameters.length, 0);
  startup.writeInt32BE(196_608, 4);
  const reply = await exchange(url.hostname, Number(url.port) || 5432, Buffer.concat([startup, parameters]), 1);
  return reply.toString('latin1', 0, 1) === 'R';
}

async function redisPongs(url: URL): Promise<boolean> {
  const reply = (await exchange(url.hostname, Number(url.port) || 6379, Buffer.from('PING\r\n'), 5)).toString('latin1');
  return reply.startsWith('+PONG') || reply.startsWith('-NOAU');
}

/** Asks for the cluster's metadata: a broker is in it only when it takes requests for topics. */
async function kafkaHasBrokers(brokers: string): Promise<boolean> {
  const [host = '', port = '9092'] = (brokers.split(',')[0] ?? '').trim().split(/:(?=\d+$)/);
  // Request header v1 (key 3, version 1, correlation 1, no client id) and an empty list of topics.
  const request = Buffer.from('0000000e0003000100000001ffff00000000', 'hex');
  const reply = await exchange(host, Number(port), request, 12);
  return reply.readInt32BE(4) === 1 && reply.readInt32BE(8) > 0;
}

/** Sends one request and resolves with the reply as soon as `atLeast` bytes of it are there. */
function exchange(host: string, port: number, request: Buffer, atLeast: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let reply: Buffer = Buffer.alloc(0);
    const socket: Socket = createConnection({ host: host.replace(/^\[|\]$/g, ''), port, timeout: PROBE_TIMEOUT_MS });
    const fail = (reason: Error) => {
      socket.destroy();
      reject(reason);
    };
    socket.once('connect', () => socket.write(request));
    socket.once('timeout', () => fail(new Error('no answer in time')));
    socket.once('error', fail);
    socket.once('close', () => fail(new Error('closed without an answer')));
    socket.on('data', (chunk: Buffer) => {
      reply = Buffer.concat([reply, chunk]);
      if (reply.length < atLeast) return;
      socket.destroy();
      resolve(reply);
    });
  });
}
