import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RouteOptions } from 'fastify';
import { buildApi } from './create-api.ts';
import { apiOptions, capturedDependencies } from '../test/support/api-harness.ts';

type Node = Readonly<Record<string, unknown>>;
interface Answer {
  readonly description: string;
  readonly headers?: Node;
  readonly content?: Readonly<Record<string, { readonly schema: Node }>>;
}
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly security?: readonly Node[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, { readonly schema: Node }>> };
  readonly responses: Readonly<Record<string, Answer>>;
}
interface Document {
  readonly openapi: string;
  readonly info: Node;
  readonly components: { readonly schemas: Readonly<Record<string, Node>>; readonly securitySchemes: Node };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const registered: string[] = [];
const app = buildApi(capturedDependencies().dependencies, apiOptions(), () => false);
app.addHook('onRoute', ({ method, url, schema }: RouteOptions) => {
  if (schema?.hide === true) return;
  for (const one of [method].flat()) if (one !== 'HEAD') registered.push(`${one.toLowerCase()} ${url.replaceAll(/:(\w+)/g, '{$1}')}`);
});
let document: Document;
let operations: [string, Operation][];

beforeAll(async () => {
  document = (await app.inject('/openapi.json')).json<Document>();
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [`${method} ${path}`, operation]),
  );
});
afterAll(() => app.close());

/** Every object inside, itself included. */
function nodes(value: unknown): Node[] {
  if (typeof value !== 'object' || value === null) return [];
  return [...(Array.isArray(value) ? [] : [value as Node]), ...Object.values(value).flatMap(nodes)];
}

describe('the OpenAPI document', () => {
  it('is 3.1 and says what it is of', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info).toMatchObject({ title: 'Millrace', version: expect.any(String), license: { identifier: 'Apache-2.0' } });
    expect(document.components.securitySchemes).toEqual({ bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } });
  });

  it('lists every route', () => {
    expect(operations.map(([name]) => name).sort()).toEqual(registered.sort());
    expect(registered).toHaveLength(37);
  });

  it('names every operation once, with a summary and a tag', () => {
    expect(new Set(operations.map(([, { operationId }]) => operationId)).size).toBe(operations.length);
    for (const [name, { summary, tags }] of operations) expect([name, summary.length > 5, tags.length]).toEqual([name, true, 1]);
  });

  it('describes every answer, and every failure as a problem', () => {
    for (const [name, { responses }] of operations) {
      for (const [status, answer] of Object.entries(responses)) {
        expect([name, status, answer.description]).not.toContain('Default Response');
        if (Number(status) < 400 || (name.includes('/health') && status === '503')) continue;
        expect([name, status, answer.content]).toEqual([
          name,
          status,
          { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        ]);
      }
    }
  });

  it.each([
    ['post /api/v1/images/register', ['202', '400', '401', '404', '409', '413', '415', '422', '429', '500', '501', '503']],
    ['post /api/v1/images/presigned-url', ['200', '400', '401', '413', '415', '429', '500', '501', '503']],
    ['delete /api/v1/images/{id}', ['202', '400', '401', '404', '422', '429', '500', '503']],
    ['post /api/v1/scan/classify', ['202', '400', '401', '413', '415', '422', '429', '500', '503']],
    ['post /api/v1/characters/{id}/evolve', ['202', '400', '401', '404', '409', '422', '429', '500', '503']],
    ['delete /api/v1/characters/{id}', ['202', '400', '401', '404', '422', '429', '500', '503']],
    ['patch /api/v1/profile/preferences', ['202', '400', '401', '409', '413', '415', '422', '429', '500', '503']],
    ['post /api/v1/chat/conversations', ['202', '400', '401', '422', '429', '500', '503']],
    ['post /api/v1/chat/conversations/{id}/messages', ['202', '400', '401', '404', '409', '413', '415', '422', '429', '500', '503']],
    ['delete /api/v1/chat/conversations/{id}', ['202', '400', '401', '404', '422', '429', '500', '503']],
    ['get /api/v1/chat/conversations', ['200', '400', '401', '429', '500', '503']],
    ['get /api/v1/chat/conversations/{id}', ['200', '400', '401', '404', '429', '500', '503']],
    ['post /api/v1/auth/register', ['201', '400', '409', '413', '415', '429', '500', '501', '503']],
    ['post /api/v1/auth/login', ['200', '400', '401', '413', '415', '429', '500', '501', '503']],
    ['post /api/v1/auth/refresh', ['200', '400', '401', '413', '415', '429', '500', '501', '503']],
    ['post /api/v1/auth/logout', ['204', '400', '401', '409', '422', '429', '500', '503']],
    ['put /api/v1/auth/users/{id}/permissions', ['204', '400', '401', '403', '404', '413', '415', '422', '429', '500', '503']],
    ['get /api/v1/auth/introspect', ['200', '400', '401', '500', '503']],
    ['post /api/v1/auth/check', ['200', '401', '500', '503']],
    ['get /api/v1/characters/me', ['200', '400', '401', '429', '500', '503']],
    ['get /api/v1/characters/ranking', ['200', '400', '401', '429', '500', '503']],
    ['get /api/v1/characters/search', ['200', '400', '401', '429', '500', '503']],
    ['get /api/v1/characters/{id}', ['200', '400', '401', '404', '429', '500', '503']],
    ['get /api/v1/scans/stats', ['200', '400', '401', '429', '500', '503']],
    ['get /api/v1/scans/me', ['200', '400', '401', '429', '500', '503']],
    ['get /api/v1/scan/tasks/{id}', ['200', '400', '401', '404', '429', '500', '503']],
    ['get /api/v1/profile/me', ['200', '400', '401', '429', '500', '503']],
    ['get /api/v1/profiles/search', ['200', '400', '401', '429', '500', '503']],
    ['get /api/v1/images/recent', ['200', '400', '401', '429', '500', '503']],
    ['get /api/v1/scans/{id}', ['200', '400', '401', '404', '429', '500', '503']],
    ['get /health/live', ['200', '500']],
    ['get /health/ready', ['200', '500', '503']],
    ['get /health', ['200', '500', '503']],
    ['get /metrics', ['200', '500']],
    ['get /openapi.json', ['200', '500']],
  ])('says how %s answers', (name, statuses) => {
    const operation = operations.find(([other]) => other === name)?.[1];
    expect(Object.keys(operation?.responses ?? {}).sort()).toEqual(statuses);
    const isOpen = /^post \/api\/v1\/auth\/(register|login|refresh)$/.test(name) || !name.includes('/api/');
    expect(operation?.security).toEqual(isOpen ? undefined : [{ bearer: [] }]);
  });

  it('says where an answer has Retry-After', () => {
    const waits = operations.flatMap(([name, { responses }]) =>
      Object.entries(responses)
        .filter(([, { headers }]) => headers !== undefined && 'retry-after' in headers)
        .map(([status]) => `${name} ${status}`),
    );
    expect(waits).toContain('get /api/v1/scans/{id} 404');
    expect(waits).toContain('post /api/v1/images/register 503');
    expect(waits).toContain('post /api/v1/images/register 429');
  });

  it('says what a registration takes', () => {
    const operation = document.paths['/api/v1/images/register']?.['post'];
    expect(operation?.requestBody?.required).toBe(true);
    expect(operation?.requestBody?.content['application/json']?.schema).toMatchObject({
      additionalProperties: false,
      properties: { cdn_url: { format: 'url' }, key: { type: 'string' } },
    });
    expect(operation?.parameters).toContainEqual(expect.objectContaining({ name: 'idempotency-key', in: 'header', required: false }));
    expect(Object.keys(operation?.responses['202']?.headers ?? {})).toEqual(
      expect.arrayContaining(['location', 'traceresponse', 'x-request-id', 'idempotency-replayed']),
    );
  });

  it('says which parameters may be left out', () => {
    const required = operations.flatMap(([name, { parameters }]) =>
      (parameters ?? []).filter((parameter) => parameter.required).map((parameter) => `${name} ${parameter.name}`),
    );
    // What stands in the path is required, and the text of a search; nothing else is.
    const inPaths = operations.flatMap(([name]) => [...name.matchAll(/\{(\w+)\}/g)].map(([, variable]) => `${name} ${variable}`));
    expect(required.sort()).toEqual([...inPaths, 'get /api/v1/characters/search q', 'get /api/v1/profiles/search q'].sort());
  });

  it('names every variable of a path among its parameters', () => {
    for (const [name, { parameters }] of operations) {
      const variables = [...name.matchAll(/\{(\w+)\}/g)].map(([, variable]) => variable);
      expect((parameters ?? []).filter((parameter) => parameter.in === 'path').map((parameter) => parameter.name)).toEqual(variables);
    }
  });

  it('refers only to what it holds, and has no `nullable`, which 3.1 does not know', () => {
    for (const node of nodes(document)) {
      if (typeof node['$ref'] === 'string') {
        expect(document.components.schemas).toHaveProperty(node['$ref'].replace('#/components/schemas/', ''));
      }
      expect(Object.keys(node)).not.toContain('nullable');
    }
  });
});
