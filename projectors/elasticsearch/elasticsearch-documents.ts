import type { Client, estypes } from '@elastic/elasticsearch';
import { ClassifiedError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { classifyElasticsearchError, classifyElasticsearchFailure, writeResultOf } from './classify-elasticsearch-error.ts';
import type { DocumentStore, DocumentWrite, SourceVersions, StoredDocument, WriteResult } from './document-store.ts';

/** Where a document keeps the last version applied of each source. */
export const VERSIONS_FIELD = '_versions';

const BULK_BYTES_MAX = 5_000_000;

/** The guarded documents of one index over `_mget` and `_bulk`; the client must not retry by itself. */
export function createElasticsearchDocuments(client: Client, index: string, limits: { readonly bytesMax?: number } = {}): DocumentStore {
  const bytesMax = limits.bytesMax ?? BULK_BYTES_MAX;
  return {
    read: (ids) => readDocuments(client, index, ids),
    write: async (writes) => {
      const results: WriteResult[] = [];
      for (const bulk of bulksOf(writes, bytesMax)) results.push(...(await sendBulk(client, index, bulk)));
      return results;
    },
  };
}

type Source = JsonObject & { readonly [VERSIONS_FIELD]?: SourceVersions };

async function readDocuments(client: Client, index: string, ids: readonly string[]): Promise<ReadonlyMap<string, StoredDocument>> {
  const response = await client.mget<Source>({ index, ids: [...ids] }).catch((error: unknown) => {
    throw outageOf(error);
  });
  const documents = new Map<string, StoredDocument>();
  for (const item of response.docs) {
    if ('error' in item) throw outage(item.error.type);
    const { _id: id, _source: source, _seq_no: seqNo, _primary_term: primaryTerm } = item;
    if (!item.found || source === undefined || seqNo === undefined || primaryTerm === undefined) continue;
    const { [VERSIONS_FIELD]: versions = {}, ...document } = source;
    documents.set(id, { document, versions, revision: { seqNo, primaryTerm } });
  }
  return documents;
}

interface BulkEntry {
  readonly header: string;
  readonly body: string;
}

/** A request that is refused as a whole is halved until the document at fault is alone. */
async function sendBulk(client: Client, index: string, entries: readonly BulkEntry[]): Promise<readonly WriteResult[]> {
  try {
    const operations = entries.flatMap(({ header, body }) => [header, body]);
    const response = await client.bulk<string>({ index, operations });
    return entries.map((_, position) => resultOf(response.items[position]));
  } catch (error) {
    const failure = classifyElasticsearchError(error);
    if (failure.code !== 'DOCUMENT_INVALID') throw failure;
    if (entries.length === 1) return [{ kind: 'failed', error: failure }];
    const half = Math.ceil(entries.length / 2);
    return [...(await sendBulk(client, index, entries.slice(0, half))), ...(await sendBulk(client, index, entries.slice(half)))];
  }
}

function resultOf(item: Partial<Record<estypes.BulkOperationType, estypes.BulkResponseItem>> | undefined): WriteResult {
  const answer = item?.create ?? item?.index;
  if (answer === undefined) return { kind: 'failed', error: outage('fewer answers than operations') };
  if (answer.status < 300) return { kind: 'written' };
  const { type, reason } = answer.error ?? { type: undefined, reason: undefined };
  return writeResultOf({ status: answer.status, type, cause: new Error(reason ?? 'no reason given') });
}

function* bulksOf(writes: readonly DocumentWrite[], bytesMax: number): Generator<readonly BulkEntry[]> {
  let bulk: BulkEntry[] = [];
  let bytes = 0;
  for (const write of writes) {
    const entry = bulkEntry(write);
    const size = Buffer.byteLength(entry.header) + Buffer.byteLength(entry.body) + 2;
    if (bulk.length > 0 && bytes + size > bytesMax) {
      yield bulk;
      bulk = [];
      bytes = 0;
    }
    bulk.push(entry);
    bytes += size;
  }
  if (bulk.length > 0) yield bulk;
}

function bulkEntry({ id, document, versions, revision }: DocumentWrite): BulkEntry {
  const header =
    revision === undefined
      ? { create: { _id: id } }
      : { index: { _id: id, if_seq_no: revision.seqNo, if_primary_term: revision.primaryTerm } };
  // Sorted, so that the same events give the same bytes however they arrived.
  const sorted = Object.fromEntries(Object.entries(versions).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { header: JSON.stringify(header), body: JSON.stringify({ ...document, [VERSIONS_FIELD]: sorted }) };
}

/** A read names no document content: whatever refuses it is not the document's fault. */
function outageOf(thrown: unknown): ClassifiedError {
  const error = classifyElasticsearchError(thrown);
  return error.code === 'DOCUMENT_INVALID' ? new ClassifiedError('ELASTICSEARCH_UNAVAILABLE', error.message, { cause: thrown }) : error;
}

function outage(type: string): ClassifiedError {
  return classifyElasticsearchFailure({ status: 404, type, cause: undefined });
}
