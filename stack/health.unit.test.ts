import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { answers } from './health.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

test.each([
  ['postgres', 'R\0\0\0', true],
  ['postgres', 'E\0\0\0\u0010SFATAL', false],
  ['redis', '+PONG\r\n', true],
  ['redis', '-NOAUTH Authentication required.\r\n', true],
  ['redis', '-LOADING Redis is loading the dataset in memory\r\n', false],
  ['kafka', metadata(1), true],
  ['kafka', metadata(0), false],
] as const)('%s that answers %j is ready: %s', async (part, reply, ready) => {
  const port = await serverThat((socket) => socket.once('data', () => socket.write(Buffer.from(reply, 'latin1'))));
  expect(await answers(part, part === 'kafka' ? `127.0.0.1:${port}` : `${part}://127.0.0.1:${port}`)).toBe(ready);
});

test('a reply in pieces is put together', async () => {
  const port = await serverThat((socket) => {
    socket.setNoDelay(true);
    socket.write('+PO');
    setImmediate(() => socket.write('NG\r\n'));
  });
  expect(await answers('redis', `redis://127.0.0.1:${port}`)).toBe(true);
});

test('nobody there, and one who hangs up, are not ready', async () => {
  const port = await serverThat((socket) => socket.destroy());
  for (const part of ['postgres', 'redis', 'registry'] as const) {
    expect(await answers(part, `http://127.0.0.1:${port}`)).toBe(false);
    expect(await answers(part, 'http://127.0.0.1:1')).toBe(false);
  }
});

/** The start of Kafka's answer: length, correlation, number of brokers. */
function metadata(brokers: number): string {
  return `\0\0\0\u0020\0\0\0\u0001\0\0\0${String.fromCharCode(brokers)}`;
}

function serverThat(answer: (socket: Socket) => unknown): Promise<number> {
  const server = createServer(answer);
  servers.push(server);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
