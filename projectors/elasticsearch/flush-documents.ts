import type { Clock } from '../../core/clock.ts';
import type { ElasticsearchProjection } from '../../core/define-projection.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { ItemResult } from '../coalescer.ts';
import type { DocumentStore, DocumentWrite, StoredDocument, WriteResult } from './document-store.ts';
import type { DocumentEvent, FoldResult } from './fold-document.ts';
import { foldDocument } from './fold-document.ts';

/** An event on its way into the document `id`. */
export interface Change extends DocumentEvent {
  readonly id: string;
}

export type ChangeResult = 'applied' | 'stale' | 'needs-history';

/** Other writers of the same documents win at most this often before the loop above takes over. */
const CONFLICTS_MAX = 10;
/** 50, 100, 200, 400 ms: what a full queue of the server is given before it counts as an outage. */
const BUSY_MAX = 4;
const BUSY_DELAY_MS = 50;

/**
 * Reads the documents, folds the changes into them and writes them back, again and again for those that somebody else
 * wrote in between or that the server had no room for. One result per change, in order; rejects with
 * ELASTICSEARCH_UNAVAILABLE when the server as a whole does not answer.
 */
export async function flushDocuments(
  store: DocumentStore,
  projection: ElasticsearchProjection,
  clock: Clock,
  changes: readonly Change[],
): Promise<readonly ItemResult<ChangeResult>[]> {
  const results = new Map<Change, ItemResult<ChangeResult>>();
  let open = documentsOf(changes, (change, result) => results.set(change, result));
  while (open.length > 0) {
    const stored = await store.read(open.map((document) => document.id));
    const writes = open.flatMap((document) => document.fold(projection, stored.get(document.id)) ?? []);
    const written = writes.length === 0 ? [] : await store.write(writes);
    const byId = new Map(writes.map((write, index) => [write.id, written[index]]));
    for (const document of open) document.settle(byId.get(document.id));
    open = open.filter((document) => document.open);
    await pause(clock, open);
  }
  return changes.map((change) => results.get(change) ?? { ok: false, error: new RangeError('a change got no result') });
}

type Settle = (change: Change, result: ItemResult<ChangeResult>) => void;

/** The changes of one document, and how far they have come. */
class OpenDocument {
  readonly id: string;
  busy = 0;
  conflicts = 0;
  private waiting: Change[] = [];
  private inWrite: Change[] = [];
  /** Its changes are written one by one, to find the one that the server refuses. */
  private oneByOne = false;
  private readonly report: Settle;

  constructor(id: string, report: Settle) {
    this.id = id;
    this.report = report;
  }

  get open(): boolean {
    return this.waiting.length > 0;
  }

  add(change: Change): void {
    this.waiting.push(change);
  }

  /** What there is to write, if anything; changes that need no write are settled. */
  fold(projection: ElasticsearchProjection, stored: StoredDocument | undefined): DocumentWrite | undefined {
    const taken = this.oneByOne ? this.waiting.slice(0, 1) : this.waiting;
    const { state, results } = foldDocument(projection, this.id, stored, taken);
    this.inWrite = [];
    for (const [index, change] of taken.entries()) {
      const result = results[index];
      if (result?.kind === 'applied') this.inWrite.push(change);
      else this.finish([change], outcomeOf(result));
    }
    if (this.inWrite.length === 0 || state === undefined) return undefined;
    return { id: this.id, document: state.document, versions: state.versions, revision: stored?.revision };
  }

  settle(result: WriteResult | undefined): void {
    switch (result?.kind) {
      case undefined:
        return;
      case 'written':
        this.conflicts = 0;
        this.finish(this.inWrite, { ok: true, value: 'applied' });
        return;
      case 'conflict':
        this.conflicts += 1;
        if (this.conflicts > CONFLICTS_MAX)
          this.finish(this.inWrite, failure('VERSION_CONFLICT', 'the document is written by others all the time'));
        return;
      case 'busy':
        this.busy += 1;
        if (this.busy > BUSY_MAX)
          this.finish(this.inWrite, failure('ELASTICSEARCH_UNAVAILABLE', 'Elasticsearch rejects writes: its queues are full'));
        return;
      case 'failed':
        if (result.error.code === 'DOCUMENT_INVALID' && this.inWrite.length > 1) this.oneByOne = true;
        else this.finish(this.inWrite, { ok: false, error: result.error });
    }
  }

  private finish(changes: readonly Change[], result: ItemResult<ChangeResult>): void {
    this.waiting = this.waiting.filter((change) => !changes.includes(change));
    for (const change of changes) this.report(change, result);
  }
}

function documentsOf(changes: readonly Change[], report: Settle): OpenDocument[] {
  const documents = new Map<string, OpenDocument>();
  for (const change of changes) {
    const document = documents.get(change.id) ?? new OpenDocument(change.id, report);
    documents.set(change.id, document);
    document.add(change);
  }
  return [...documents.values()];
}

function outcomeOf(result: Exclude<FoldResult, { kind: 'applied' }> | undefined): ItemResult<ChangeResult> {
  if (result === undefined) return { ok: false, error: new RangeError('a fold gave fewer results than it got events') };
  return result.kind === 'failed' ? { ok: false, error: result.error } : { ok: true, value: result.kind };
}

function failure(code: 'VERSION_CONFLICT' | 'ELASTICSEARCH_UNAVAILABLE', message: string): ItemResult<ChangeResult> {
  return { ok: false, error: new ClassifiedError(code, message) };
}

async function pause(clock: Clock, open: readonly OpenDocument[]): Promise<void> {
  const busy = Math.max(0, ...open.map((document) => document.busy));
  const conflicts = Math.max(0, ...open.map((document) => document.conflicts));
  if (busy > 0) await clock.sleep(BUSY_DELAY_MS * 2 ** (busy - 1) * (0.75 + Math.random() / 2));
  else if (conflicts > 1) await clock.sleep(Math.random() * 5 * conflicts);
}
