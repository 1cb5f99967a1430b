import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../test/support/eventually.ts';
import { AUTH, apiOptions, capturedDependencies } from '../test/support/api-harness.ts';
import { createApi } from './create-api.ts';
import type { ApiOptions } from './create-api.ts';
import { developmentToken } from './development-token.ts';
import { createOperationsServer } from './operations-server.ts';
import type { HttpService } from './http-service.ts';

const NEVER = new AbortController().signal;
const HARD = AbortSignal.abort();
const running: HttpService[] = [];
const agents: Agent[] = [];
afterEach(async () => {
  for (const agent of agents.splice(0)) agent.destroy();
  await Promise.all(running.splice(0).map((service) => service.stop(HARD)));
});

async function started(options: Partial<ApiOptions> = {}) {
  const captured = capturedDependencies();
  const service = createApi(captured.dependencies, { ...apiOptions(), ...options });
  running.push(service);
  await service.start(NEVER);
  const agent = new Agent({ keepAlive: true });
  agents.push(agent);
  const address = service.address();
  if (address === undefined) throw new Error('not listening');
  const token = await developmentToken(AUTH, { id: 'ada' }, captured.clock.nowMs());
  return { ...captured, service, agent, ...address, headers: { authorization: `Bearer ${token}` } };
}
type Started = Awaited<ReturnType<typeof started>>;

interface Answer {
  readonly status: number | undefined;
  readonly connection: string | undefined;
  readonly body: string;
}

function get({ port, agent, headers }: Started, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', path, agent, headers }, (response: IncomingMessage) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode, connection: response.headers.connection, body }));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end();
  });
}

function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(text);
  return heardOn(socket);
}

/** Everything the server says until the connection is closed. */
function heardOn(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = '';
    socket.on('data', (chunk) => (heard += chunk.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve(heard));
  });
}

function gate() {
  let open: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}

describe('the API as a service', () => {
  it('says where it listens while it listens', async () => {
    const { service, url, port } = await started();
    expect(url).toBe(`http://127.0.0.1:${port}`);
    await service.stop(NEVER);
    expect(service.address()).toBeUndefined();
  });

  it('finishes the requests in hand, and accepts nobody new', async () => {
    const api = await started();
    const { promise, open } = gate();
    api.ports.gate = promise;
    const slow = get(api, '/api/v1/characters/me');
    await eventually(() => api.ports.waiting === 1);
    const stopped = api.service.stop(NEVER);
    await expect(raw(api.port, 'GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n')).rejects.toMatchObject({
      code: expect.stringMatching(/^ECONN(REFUSED|RESET)$/),
    });
    open();
    expect(await slow).toMatchObject({ status: 200 });
    await stopped;
    expect(api.lines.at(-1)).toMatchObject({ 'http.response.status_code': 200 });
  });

  it('tells the client of a request in hand not to come back on the connection', async () => {
    const api = await started();
    const { promise, open } = gate();
    api.ports.gate = promise;
    const slow = get(api, '/api/v1/characters/me');
    await eventually(() => api.ports.waiting === 1);
    const stopped = api.service.stop(NEVER);
    open();
    expect((await slow).connection).toBe('close');
    await stopped;
  });

  it('does not wait for clients that keep their connection open', async () => {
    const api = await started();
    const first = await get(api, '/health/live');
    expect(first.connection).toBe('keep-alive');
    await api.service.stop(NEVER);
  });

  it('cuts what is still open when the time for a soft stop is over', async () => {
    const api = await started();
    api.ports.gate = new Promise(() => undefined);
    const slow = get(api, '/api/v1/characters/me').catch((error: unknown) => error);
    await eventually(() => api.ports.waiting === 1);
    const hard = new AbortController();
    const stopped = api.service.stop(hard.signal);
    hard.abort();
    await stopped;
    expect(await slow).toMatchObject({ code: 'ECONNRESET' });
    await eventually(() => expect(api.lines.at(-1)).toMatchObject({ 'http.response.status_code': 499 }));
  });

  it('can be stopped twice, before the start, and during it', async () => {
    const { dependencies } = capturedDependencies();
    const never = createApi(dependencies, apiOptions());
    await never.stop(NEVER);
    await never.start(NEVER);
    expect(never.address()).toBeUndefined();
    const during = createApi(dependencies, apiOptions());
    const starting = during.start(NEVER);
    await Promise.all([during.stop(NEVER), during.stop(HARD), starting]);
    expect(during.address()).toBeUndefined();
  });

  it('names the port that is in use, and leaves nothing behind', async () => {
    const { port } = await started();
    const { dependencies } = capturedDependencies();
    const second = createApi(dependencies, { ...apiOptions(), port });
    await expect(second.start(NEVER)).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringContaining(String(port)),
    });
    await second.stop(NEVER);
  });

  it('does not start with a key that cannot be used', async () => {
    const { dependencies } = capturedDependencies();
    const api = createApi(dependencies, { ...apiOptions(), auth: { ...AUTH, keys: { kind: 'public-key', pem: 'x' } } });
    await expect(api.start(NEVER)).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
  });
});

describe('what is hardly HTTP', () => {
  it('is answered with a problem and a closed connection', async () => {
    const { port, lines, counted } = await started();
    const heard = await raw(port, 'NONSENSE\r\n\r\n');
    expect(heard).toMatch(/^HTTP\/1.1 400 /);
    expect(heard).toContain('content-type: application/problem+json');
    const problem = JSON.parse(heard.slice(heard.indexOf('\r\n\r\n'))) as { status: number };
    expect(problem.status).toBe(400);
    expect(lines.at(-1)).toMatchObject({ message: 'request could not be read' });
    expect(counted.at(-1)?.labels).toEqual({ method: 'unparsed', route: 'unparsed', status: '400' });
  });

  it('with headers beyond the limit is answered with 431', async () => {
    const { port } = await started();
    expect(await raw(port, `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
  });

  it('that never arrives whole is answered with 408', async () => {
    const { port } = await started({ requestTimeoutMs: 300 });
    const heard = await raw(port, `POST /api/v1/images/register HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n`);
    expect(heard).toMatch(/^HTTP\/1.1 408 /);
  });

  it('with a method that no route has is a problem too', async () => {
    const { port } = await started();
    expect(await raw(port, 'PROPFIND /api/v1/scans/me HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1.1 405[^]*application\/problem\+json/,
    );
  });
});

describe('a slow answer', () => {
  it('becomes 503, with the advice to repeat with the same key', async () => {
    const api = await started({ handlerTimeoutMs: 50 });
    api.ports.gate = new Promise(() => undefined);
    const answer = await get(api, '/api/v1/characters/me');
    expect(answer.status).toBe(503);
    expect(answer.body).toContain('Idempotency-Key');
  });

  it('to a client that has left is logged once, as 499', async () => {
    const api = await started();
    const { promise, open } = gate();
    api.ports.gate = promise;
    const socket = connect(api.port, '127.0.0.1');
    socket.write(`GET /api/v1/characters/me HTTP/1.1\r\nhost: a\r\nauthorization: ${api.headers.authorization}\r\n\r\n`);
    await eventually(() => api.ports.waiting === 1);
    socket.destroy();
    await eventually(() => api.lines.length > 0);
    open();
    await api.service.stop(NEVER);
    expect(api.lines).toHaveLength(1);
    expect(api.lines[0]).toMatchObject({ 'http.response.status_code': 499, 'user.id': 'ada' });
    expect(api.counted.filter(({ name }) => name === 'millrace_http_requests_total')).toHaveLength(1);
  });
});

describe('the operations server of a process without an API', () => {
  it('serves health and metrics, and nothing else', async () => {
    const { dependencies, health } = capturedDependencies();
    health.push({ health: () => [{ name: 'relay image', status: 'degraded', detail: 'standby' }] });
    const service = createOperationsServer({ ...dependencies, host: '127.0.0.1', port: 0 });
    running.push(service);
    await service.start(NEVER);
    const url = service.address()?.url ?? '';
    const status = async (path: string): Promise<number> => (await fetch(`${url}${path}`)).status;
    expect(await Promise.all(['/health', '/health/live', '/health/ready', '/metrics', '/api/v1/scans/me'].map(status))).toEqual([
      200, 200, 200, 200, 404,
    ]);
    expect(await (await fetch(`${url}/health`)).json()).toEqual({
      status: 'degraded',
      checks: [{ name: 'relay image', status: 'degraded', detail: 'standby' }],
    });
    expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(405);
  });
});
