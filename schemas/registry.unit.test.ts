import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../core/log.ts';
import { createSchemaRegistry, type SchemaRegistry } from './registry.ts';

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

const closing: (() => Promise<void>)[] = [];

/** A registry that says what the test wants it to say, and what it was asked. */
async function stub(answer: Answer): Promise<{ registry: SchemaRegistry; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      asked.push([request.method, request.url, body].filter((part) => part !== '').join(' '));
      answer(request, response, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/base/`;
  return {
    registry: createSchemaRegistry({ url, logger: SILENT_LOGGER, requestTimeoutMs: 300, auth: { username: 'u', password: 'p' } }),
    asked,
  };
}

function say(status: number, body: unknown): Answer {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

describe('the schema registry', () => {
  it('is asked once for a schema, and once in a while for one that it does not know', async () => {
    const known = await stub(say(200, { schema: '"string"' }));
    expect(await Promise.all([known.registry.schemaById(7), known.registry.schemaById(7)])).toEqual(['string', 'string']);
    expect(await known.registry.schemaById(7)).toBe('string');
    expect(known.asked).toEqual(['GET /base/schemas/ids/7']);

    const unknown = await stub(say(404, { error_code: 40403, message: 'not found' }));
    for (let time = 0; time < 3; time += 1) await expect(unknown.registry.schemaById(7)).rejects.toMatchObject({ code: 'SCHEMA_UNKNOWN' });
    expect(unknown.asked).toHaveLength(1);
  });

  it.each([
    ['answers 500', say(500, { message: 'broken' })],
    ['answers 503 with a page', say(503, '<html>')],
    ['answers 500 with null', say(500, 'null')],
    ['answers 200 with null', say(200, 'null')],
    ['answers 401', say(401, { error_code: 40101 })],
    ['hangs up', (_request, response) => response.destroy()],
    ['answers nonsense', say(200, { ids: [] })],
    ['answers no JSON', say(200, 'hello')],
  ])('is away while it %s, and is asked again at once', async (_how, answer) => {
    const { registry, asked } = await stub(answer);
    const ask = () => registry.idOf('s-value', { type: 'record', name: 'R', fields: [] });
    await expect(ask()).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
    const before = asked.length;
    await expect(ask()).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
    expect(asked.length).toBeGreaterThan(before);
  });

  it('is away when it never answers', async () => {
    const { registry } = await stub(() => undefined);
    await expect(registry.schemaById(1)).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
  });

  it('keeps texts of the server out of the message', async () => {
    const { registry } = await stub(say(500, { message: 'secret' }));
    const failure = await registry.latestId('s').catch((thrown: unknown) => thrown as Error);
    expect((failure as Error).message).toBe('the schema registry does not answer');
  });

  it('makes a subject stricter and never less strict', async () => {
    let own: string | undefined;
    let global = 'BACKWARD';
    const { registry, asked } = await stub((request, response, body) => {
      if (request.method === 'PUT') own = (JSON.parse(body) as { compatibility: string }).compatibility;
      const level = request.url === '/base/config/' ? global : own;
      (level === undefined ? say(404, { error_code: 40401 }) : say(200, { compatibilityLevel: level }))(request, response, body);
    });
    const puts = () => asked.filter((line) => line.startsWith('PUT'));
    expect(await registry.setCompatibility('s', 'BACKWARD')).toBe(false);
    global = 'FULL_TRANSITIVE';
    expect(await registry.setCompatibility('s', 'BACKWARD')).toBe(false);
    expect(puts()).toEqual([]);
    global = 'NONE';
    expect(await registry.setCompatibility('s', 'BACKWARD')).toBe(true);
    expect(puts()).toEqual(['PUT /base/config/s {"compatibility":"BACKWARD"}']);
    expect(await registry.setCompatibility('s', 'BACKWARD')).toBe(false);
    // NONE may mean "as the global level": that one counts then.
    own = 'NONE';
    global = 'FULL';
    expect(await registry.setCompatibility('s', 'BACKWARD')).toBe(true);
    expect(own).toBe('FULL');
  });

  it('is read ahead, so that it is missed by nobody when it goes away', async () => {
    let away = false;
    const versions = new Map([
      ['1', { id: 11, schema: '"string"' }],
      // Version 2 was deleted.
      ['3', { id: 13, schema: '"long"' }],
    ]);
    const { registry, asked } = await stub((request, response, body) => {
      const [, subject, number = ''] = /subjects\/([^/]+)\/versions\/(\w+)$/.exec(request.url ?? '') ?? [];
      const version = number === 'latest' ? '3' : number;
      const found = subject === 'known' ? versions.get(version) : undefined;
      const answer = found === undefined ? say(404, { error_code: 40402 }) : say(200, { ...found, subject, version: Number(version) });
      (away ? say(503, {}) : answer)(request, response, body);
    });
    const going = new AbortController().signal;
    expect(await registry.preload(['unknown', 'known'], going)).toBe(2);
    away = true;
    asked.length = 0;
    expect(await Promise.all([registry.schemaById(11), registry.schemaById(13)])).toEqual(['string', 'long']);
    expect([registry.knowsSchema(11), registry.knowsSchema(12)]).toEqual([true, false]);
    expect(asked).toEqual([]);
    expect(await registry.preload(['known'], going)).toBe(0);
  });

  it('is asked once in a while for a schema that is no Avro', async () => {
    const { registry, asked } = await stub(say(200, { schema: 'syntax = "proto3"', schemaType: 'PROTOBUF' }));
    for (let time = 0; time < 3; time += 1) await expect(registry.schemaById(7)).rejects.toMatchObject({ code: 'PAYLOAD_UNREADABLE' });
    expect(asked).toHaveLength(1);
    expect(registry.knowsSchema(7)).toBe(false);
  });

  it('is not to blame for a schema that is no Avro of its own', async () => {
    for (const data of [
      { schema: '{', id: 1 },
      { schema: 'syntax = "proto3"', schemaType: 'PROTOBUF' },
      { schema: '"string"', references: [{}] },
    ]) {
      const { registry } = await stub(say(200, data));
      await expect(registry.schemaById(1)).rejects.toMatchObject({ code: 'PAYLOAD_UNREADABLE' });
    }
  });
});
