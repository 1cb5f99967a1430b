import { createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { freePorts, isFree, PORT_NAMES, portsWithoutTaken, type Ports } from './ports.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

test('free ports are different and nobody listens on them', async () => {
  const ports = await freePorts(8);
  expect(new Set(ports).size).toBe(8);
  for (const port of ports) expect(await isFree(port)).toBe(true);
});

test('a port on which somebody listens is not free, on any interface', async () => {
  const [loopback = 0, everywhere = 0] = await freePorts(2);
  await listen(loopback, '127.0.0.1');
  await listen(everywhere, '0.0.0.0');
  expect(await isFree(loopback)).toBe(false);
  expect(await isFree(everywhere)).toBe(false);
});

test('a taken port is not chosen, and neither is one that the stack has already', async () => {
  const [taken = 0, own = 0, free = 0] = await freePorts(3);
  await listen(taken, '127.0.0.1');
  const numbers = [taken, own, free];
  expect(await freePorts(1, [own], () => (numbers.shift()! - 20_000) / 10_000 + 0.000_01)).toEqual([free]);
});

test('only a stopped part with a taken port gets another one', async () => {
  const ports = await somePorts();
  await listen(ports.kafka, '127.0.0.1');
  await listen(ports.redis, '127.0.0.1');
  const chosen = await portsWithoutTaken(ports, ['postgres', 'kafka']);
  expect(chosen.kafka).not.toBe(ports.kafka);
  expect({ ...chosen, kafka: 0 }).toEqual({ ...ports, kafka: 0 });
});

async function somePorts(): Promise<Ports> {
  const numbers = await freePorts(PORT_NAMES.length);
  return Object.fromEntries(PORT_NAMES.map((name, index) => [name, numbers[index]])) as unknown as Ports;
}

function listen(port: number, host: string): Promise<void> {
  const server = createServer();
  servers.push(server);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
}
