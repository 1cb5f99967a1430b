import type { ServerResponse } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import type { HttpCall } from '../../test/support/local-http-server.ts';
import { localHttpServer } from '../../test/support/local-http-server.ts';
import { systemClock } from '../../test/support/system-clock.ts';
import { ConnectRest } from './connect-rest.ts';
import { registerConnector } from './register.ts';

const SECRET = 'hunter2';
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function connect(answer: (call: HttpCall, response: ServerResponse) => void, options = {}) {
  const server = await localHttpServer(answer);
  stops.push(() => server.stop());
  const auth = { username: 'millrace', password: 'at-connect' };
  return { server, rest: new ConnectRest({ url: `${server.url}/`, auth, secrets: [SECRET], clock: systemClock, ...options }) };
}

const say = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(body === undefined ? '' : JSON.stringify(body));
};

it('registers by PUT, so that a second time changes nothing and sends nothing', async () => {
  let stored: unknown;
  const { server, rest } = await connect(({ method, body }, response) => {
    if (method === 'PUT') stored = { ...(JSON.parse(body) as object), name: 'c' };
    say(response, stored === undefined ? 404 : 200, stored ?? { error_code: 404, message: 'not found' });
  });
  const connector = { name: 'c', config: { 'tasks.max': '1' } };
  expect(await registerConnector(rest, connector)).toEqual(['connector c: registered']);
  expect(await registerConnector(rest, connector)).toEqual([]);
  expect(server.calls.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'GET /connectors/c/config',
    'PUT /connectors/c/config',
    'GET /connectors/c/config',
  ]);
  expect(server.calls[1]?.headers.authorization).toBe(`Basic ${Buffer.from('millrace:at-connect').toString('base64')}`);
});

it('waits while Connect shares out its work, and no longer than it should', async () => {
  let conflicts = 2;
  const { rest } = await connect((_, response) => {
    conflicts -= 1;
    say(response, conflicts >= 0 ? 409 : 202, { message: 'rebalance' });
  });
  await rest.restart('c', true);
  const { rest: impatient } = await connect((_, response) => say(response, 409, { message: 'rebalance' }), { rebalancePatienceMs: 0 });
  await expect(impatient.pause('c')).rejects.toMatchObject({ code: 'CONNECT_UNAVAILABLE' });
});

it.each([
  [400, 'CONNECTOR_REFUSED'],
  [401, 'CONFIGURATION_INVALID'],
  [404, 'CONNECTOR_MISSING'],
  [500, 'CONNECT_UNAVAILABLE'],
])('an answer of %i is %s, and its message keeps no secret', async (status, code) => {
  const { rest } = await connect((_, response) => say(response, status, { message: `the password ${SECRET} is wrong` }));
  const error = await rest.put('c', {}).then(
    () => undefined,
    (thrown: unknown) => thrown as Error,
  );
  expect(error).toMatchObject({ code });
  expect(error?.message).not.toContain(SECRET);
});

it('a Connect that is away, silent, or something else is unavailable', async () => {
  const { rest: silent } = await connect(() => undefined, { timeoutMs: 50 });
  await expect(silent.connectors()).rejects.toMatchObject({ code: 'CONNECT_UNAVAILABLE' });
  const { rest: other } = await connect((_, response) => void response.end('<html>'));
  await expect(other.connectors()).rejects.toMatchObject({ code: 'CONNECT_UNAVAILABLE' });
  const away = new ConnectRest({ url: 'http://127.0.0.1:1', secrets: [], clock: systemClock });
  await expect(away.status('c')).rejects.toMatchObject({ code: 'CONNECT_UNAVAILABLE', disposition: 'outage' });
});

it('a status holds the states of the tasks, and the heart of their traces without secrets', async () => {
  const trace = `java.lang.Error: boom\n\tat A.b(C.java:1)\nCaused by: org.postgresql.util.PSQLException: ${SECRET}\n\tat D.e(F.java:2)`;
  const { rest } = await connect((_, response) =>
    say(response, 200, {
      name: 'c',
      connector: { state: 'RUNNING', worker_id: 'w:1' },
      tasks: [{ id: 0, state: 'FAILED', worker_id: 'w:1', trace }],
    }),
  );
  expect(await rest.status('c')).toEqual({
    name: 'c',
    state: 'RUNNING',
    tasks: [{ id: 0, state: 'FAILED', worker: 'w:1', trace: 'java.lang.Error: boom\nCaused by: org.postgresql.util.PSQLException: ***' }],
  });
  const { rest: empty } = await connect((_, response) => say(response, 404, { message: 'no status' }));
  expect(await empty.status('c')).toBeUndefined();
});
