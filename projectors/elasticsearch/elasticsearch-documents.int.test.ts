import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../core/log.ts';
import { Names } from '../../core/names.ts';
import { services, uniqueNamespace } from '../../test/support/services.ts';
import { characterOwnership } from '../character-ownership/character-ownership.ts';
import type { DocumentWrite, Revision } from './document-store.ts';
import type { ElasticsearchClient } from './elasticsearch-client.ts';
import { createElasticsearchClient } from './elasticsearch-client.ts';
import { createElasticsearchDocuments } from './elasticsearch-documents.ts';
import { ensureIndex } from './ensure-index.ts';

const names = new Names(uniqueNamespace('esdocs'));
const index = names.index('characters-ownership-v1');
let client: ElasticsearchClient;
let next = 0;
let id: string;

beforeAll(async () => {
  client = createElasticsearchClient({ url: services().elasticsearchUrl, requestTimeoutMs: 30_000 });
  await ensureIndex(client, names, characterOwnership, SILENT_LOGGER);
});

beforeEach(() => {
  next += 1;
  id = `document-${next}`;
});

afterAll(async () => {
  await client.indices.delete({ index }, { ignore: [404] });
  await client.indices.deleteIndexTemplate({ name: names.index('characters-ownership') });
  await client.close();
});

const documents = () => createElasticsearchDocuments(client, index);

function written(user: string, revision?: Revision): DocumentWrite {
  return { id, document: { user_id: user }, versions: { b: '9007199254740993', a: '1' }, revision };
}

async function revisionOf(document: string): Promise<Revision | undefined> {
  return (await documents().read([document])).get(document)?.revision;
}

describe('documents of an index', () => {
  it('are read back as they were written, before any refresh, without those that are missing', async () => {
    expect(await documents().write([written('one')])).toEqual([{ kind: 'written' }]);
    const read = await documents().read([id, 'missing']);
    expect([...read.keys()]).toEqual([id]);
    expect(read.get(id)).toMatchObject({ document: { user_id: 'one' }, versions: { a: '1', b: '9007199254740993' } });
    expect((await client.get<object>({ index, id }))._source).toEqual({ user_id: 'one', _versions: { a: '1', b: '9007199254740993' } });
  });

  it('that somebody else made or changed in between are a conflict and stay as they are', async () => {
    await documents().write([written('first')]);
    const old = await revisionOf(id);
    expect(await documents().write([written('second, who saw none')])).toEqual([{ kind: 'conflict' }]);
    expect(await documents().write([written('third', old)])).toEqual([{ kind: 'written' }]);
    expect(await documents().write([written('fourth', old)])).toEqual([{ kind: 'conflict' }]);
    expect((await documents().read([id])).get(id)?.document).toEqual({ user_id: 'third' });
  });

  it('have a result each, in order, across requests that are bounded in bytes', async () => {
    const writes: DocumentWrite[] = Array.from({ length: 7 }, (_, position) => ({
      id: `${id}-${position}`,
      document: { user_id: 'x'.repeat(200), ...(position === 3 ? { unknown: 1 } : {}) },
      versions: {},
      revision: undefined,
    }));
    await documents().write(writes.slice(5, 6));
    let requests = 0;
    client.diagnostic.on('request', () => (requests += 1));
    const results = await createElasticsearchDocuments(client, index, { bytesMax: 600 }).write(writes);
    expect(requests).toBe(4);
    const kinds = ['written', 'written', 'written', 'failed', 'written', 'conflict', 'written'];
    expect(results.map(({ kind }) => kind)).toEqual(kinds);
    expect(results[3]).toMatchObject({ error: { code: 'DOCUMENT_INVALID' } });
  });

  it('say what was refused without repeating what is in it', async () => {
    const secret = 'a-secret-value';
    const [result] = await documents().write([{ ...written('one'), document: { acquired_at: secret } }]);
    expect(result).toMatchObject({ kind: 'failed', error: { code: 'DOCUMENT_INVALID' } });
    expect(result?.kind === 'failed' && result.error.message).not.toContain(secret);
  });

  it('that share a request with one that the server or a proxy refuses as a whole are written', async () => {
    const proxy = await refusingProxy('poison');
    const through = createElasticsearchClient({ url: proxy.url });
    const writes = ['a', 'b', 'poison', 'd'].map((name) => ({ ...written(name), id: `${id}-${name}` }));
    const results = await createElasticsearchDocuments(through, index).write(writes);
    expect(results.map(({ kind }) => kind)).toEqual(['written', 'written', 'failed', 'written']);
    expect(results[2]).toMatchObject({ error: { code: 'DOCUMENT_INVALID' } });
    await through.close();
    await proxy.close();
  });

  it('of an index that vanished are an outage, and the index is not made by writing', async () => {
    await client.indices.delete({ index });
    expect(await documents().write([written('one')])).toMatchObject([{ kind: 'failed', error: { code: 'ELASTICSEARCH_UNAVAILABLE' } }]);
    await expect(documents().read([id])).rejects.toMatchObject({ code: 'ELASTICSEARCH_UNAVAILABLE' });
    expect(await client.indices.exists({ index })).toBe(false);
  });
});

/** Passes requests on, and answers 413 to those that hold the word. */
async function refusingProxy(word: string): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      if (body.includes(word)) {
        response.writeHead(413, { 'x-elastic-product': 'Elasticsearch' }).end();
        return;
      }
      const json = 'application/json';
      const headers = { 'content-type': request.headers['content-type'] ?? json, accept: request.headers.accept ?? json };
      fetch(new URL(request.url ?? '/', services().elasticsearchUrl), { method: request.method ?? 'GET', headers, body })
        .then(async (answer) => {
          const type = answer.headers.get('content-type') ?? json;
          response.writeHead(answer.status, { 'content-type': type, 'x-elastic-product': 'Elasticsearch' });
          response.end(Buffer.from(await answer.arrayBuffer()));
        })
        .catch((error: unknown) => response.destroy(error instanceof Error ? error : new Error('the proxy failed')));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
