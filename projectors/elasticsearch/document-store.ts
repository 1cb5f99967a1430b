import type { ClassifiedError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';

/** The last version applied of each source, as decimal text: JSON numbers lose digits above 2^53. */
export type SourceVersions = Readonly<Record<string, string>>;

/** What a write compares, so that two writers of one document cannot undo each other. */
export interface Revision {
  readonly seqNo: number;
  readonly primaryTerm: number;
}

export interface StoredDocument {
  readonly document: JsonObject;
  readonly versions: SourceVersions;
  readonly revision: Revision;
}

export interface DocumentWrite {
  readonly id: string;
  readonly document: JsonObject;
  readonly versions: SourceVersions;
  /** The revision that was read; undefined: the document was missing and must still be. */
  readonly revision: Revision | undefined;
}

/**
 * - `written`: durable.
 * - `conflict`: somebody else wrote the document in between: read and fold again.
 * - `busy`: the server has no room now: wait and send again.
 * - `failed`: with DOCUMENT_INVALID for this document only, or ELASTICSEARCH_UNAVAILABLE.
 */
export type WriteResult =
  | { readonly kind: 'written' }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'busy' }
  | { readonly kind: 'failed'; readonly error: ClassifiedError };

/** The documents of one index. Both methods reject with ELASTICSEARCH_UNAVAILABLE when the server as a whole does not answer. */
export interface DocumentStore {
  /** The current documents, not those of the last refresh; missing ones are left out. */
  read(ids: readonly string[]): Promise<ReadonlyMap<string, StoredDocument>>;
  /** One result per write, in order; each id at most once. */
  write(writes: readonly DocumentWrite[]): Promise<readonly WriteResult[]>;
}
