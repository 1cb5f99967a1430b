import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RedisMutation } from '../../core/define-projection.ts';
import type { DocumentStore, DocumentWrite, StoredDocument, WriteResult } from '../../projectors/elasticsearch/document-store.ts';
import type { RedisDocuments } from '../../projectors/redis/redis-documents.ts';

interface ModelDocument {
  exists: boolean;
  readonly fields: Map<string, { readonly version: bigint; readonly value: string | undefined }>;
  readonly counted: Set<string>;
  readonly scores: Map<string, number>;
}

/** The guard of the Lua scripts, in memory: each call is atomic and takes a turn of the event loop. */
export class ModelRedisDocuments implements RedisDocuments {
  readonly documents = new Map<string, ModelDocument>();

  async apply(key: string, mutations: readonly RedisMutation[]): Promise<'missing' | readonly boolean[]> {
    await nextTurn();
    const document = this.documents.get(key);
    return document?.exists === true ? mutations.map((mutation) => change(document, mutation)) : 'missing';
  }

  async merge(key: string, history: readonly RedisMutation[], part: 'first parts' | 'last part'): Promise<void> {
    await nextTurn();
    const document = this.documents.get(key) ?? { exists: false, fields: new Map(), counted: new Set(), scores: new Map() };
    this.documents.set(key, document);
    for (const mutation of history) change(document, mutation);
    if (part === 'last part') document.exists = true;
  }

  /** Field to JSON text; undefined when missing. */
  hash(key: string): ReadonlyMap<string, string> | undefined {
    const document = this.documents.get(key);
    if (document?.exists !== true) return undefined;
    return new Map([...document.fields].flatMap(([field, { value }]) => (value === undefined ? [] : [[field, value] as const])));
  }

  scores(key: string): ReadonlyMap<string, number> | undefined {
    const document = this.documents.get(key);
    return document?.exists === true ? document.scores : undefined;
  }

  versions(key: string): ReadonlyMap<string, bigint> {
    const fields = this.documents.get(key)?.fields ?? new Map<string, { version: bigint }>();
    return new Map([...fields].map(([field, { version }]) => [field, version]));
  }
}

function change(document: ModelDocument, mutation: RedisMutation): boolean {
  if (mutation.op === 'count') {
    const once = `${mutation.version}:${mutation.member}`;
    if (document.counted.has(once)) return false;
    document.counted.add(once);
    document.scores.set(mutation.member, (document.scores.get(mutation.member) ?? 0) + mutation.by);
    return true;
  }
  if (mutation.op === 'keep') throw new RangeError('strings are no documents of this model');
  const seen = document.fields.get(mutation.field);
  if (seen !== undefined && mutation.version <= seen.version) return false;
  const value = mutation.op === 'put' ? JSON.stringify(mutation.value) : undefined;
  document.fields.set(mutation.field, { version: mutation.version, value });
  return true;
}

/** Optimistic concurrency of an index, in memory: reads and writes take turns, so that writers meet. */
export class ModelDocumentStore implements DocumentStore {
  readonly documents = new Map<string, StoredDocument>();
  conflicts = 0;
  private seqNo = 0;

  async read(ids: readonly string[]): Promise<ReadonlyMap<string, StoredDocument>> {
    await nextTurn();
    const found = new Map(ids.flatMap((id) => (this.documents.has(id) ? [[id, this.documents.get(id)!] as const] : [])));
    await nextTurn();
    return found;
  }

  async write(writes: readonly DocumentWrite[]): Promise<readonly WriteResult[]> {
    await nextTurn();
    const results = writes.map((write) => this.writeOne(write));
    await nextTurn();
    return results;
  }

  private writeOne({ id, document, versions, revision }: DocumentWrite): WriteResult {
    if (this.documents.get(id)?.revision.seqNo !== revision?.seqNo) {
      this.conflicts += 1;
      return { kind: 'conflict' };
    }
    this.seqNo += 1;
    this.documents.set(id, { document, versions, revision: { seqNo: this.seqNo, primaryTerm: 1 } });
    return { kind: 'written' };
  }
}
