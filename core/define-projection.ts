import type { EventDefinition, EventOf, RetryDefinition } from './define.ts';
import type { EventRecord } from './envelope.ts';
import type { JsonObject } from './json.ts';

/** Which stored events a read model is folded from when a document is missing. */
export interface HistoryQuery {
  readonly domain: string;
  readonly types: readonly string[];
  readonly aggregateType?: string;
  readonly aggregateId?: string;
  /** ISO 8601, inclusive and exclusive. */
  readonly occurredFrom?: string;
  readonly occurredBefore?: string;
}

/**
 * Reads the event stores, always the primaries: an event that was delivered once is part of every later answer. Rejects
 * with POSTGRES_UNAVAILABLE. In order of the stream's version per aggregate.
 */
export interface History {
  events(query: HistoryQuery): Promise<readonly EventRecord[]>;
  /** The same events some at a time, however many there are: no statement and no answer grows with them. In the order of their times alone. */
  pages(query: HistoryQuery): AsyncIterable<readonly EventRecord[]>;
}

/**
 * One guarded change of a Redis document. The guard is per field, or per member and version, so that changes from
 * different topics may arrive in any order and any number of times. One event changes a field or member at most once.
 */
export type RedisMutation =
  /** HASH field: an older version than the field's last one changes nothing. `value` is stored as JSON text. */
  | { readonly op: 'put'; readonly key: string; readonly field: string; readonly version: bigint; readonly value: JsonObject }
  /** Leaves a tombstone that keeps the version, so that a late older `put` does not bring the field back. */
  | { readonly op: 'drop'; readonly key: string; readonly field: string; readonly version: bigint }
  /** ZSET member: adds `by` once per version of the member's stream, in any order. */
  | { readonly op: 'count'; readonly key: string; readonly member: string; readonly version: bigint; readonly by: number }
  /** STRING: there until a time (milliseconds since 1970), also when events come twice or late; of two ends the later one stands. */
  | { readonly op: 'keep'; readonly key: string; readonly value: string; readonly version: bigint; readonly untilMs: number };

export interface RedisProjection {
  readonly store: 'redis';
  readonly name: string;
  readonly version: number;
  /**
   * What its documents are: `put` and `drop` are for hashes, `count` is for sorted sets, `keep` for strings. A string is one
   * event's and nothing is folded into it: a missing one is simply made.
   */
  readonly structure: 'hash' | 'zset' | 'string';
  readonly reads: readonly EventDefinition[];
  readonly retry?: RetryDefinition;
  /** Undefined: documents do not expire. */
  readonly ttlMs: number | undefined;
  mutations(event: EventRecord): readonly RedisMutation[];
  /**
   * The whole history of the document that the key names: a missing document is folded from it and never made from one
   * event. It may hold events of other documents; their mutations name other keys and are left out.
   */
  history(key: string): readonly HistoryQuery[];
}

/**
 * Guarded documents of Elasticsearch. A document may be fed by several streams: `_versions` keeps the last version
 * applied of each source, and an event at or below it changes nothing. Folds of different sources must commute.
 */
export interface ElasticsearchProjection {
  readonly store: 'elasticsearch';
  readonly name: string;
  readonly version: number;
  readonly reads: readonly EventDefinition[];
  readonly retry?: RetryDefinition;
  /** The name that queries use; the index behind it is `<alias>-v<version>`. */
  readonly alias: string;
  /** The `properties` of the index mapping; unknown fields are refused. */
  readonly mapping: JsonObject;
  /** The documents that the event touches; none: the event is not wanted. */
  documentIds(event: EventRecord): readonly string[];
  /**
   * Whose versions guard what this event says of the document: a stream (`scan`), or one of the parts that a stream's
   * events replace in any order (`acquired`, `lost`). Of one source, an event takes nothing from those before it that a
   * later one would not replace, unless the source is contiguous.
   */
  source(event: EventRecord, id: string): string;
  /** Sources of which every version touches the document: a version that skips one folds the document anew from history. */
  readonly contiguousSources: readonly string[];
  /** Pure. Never called for an event that was applied before. */
  fold(document: JsonObject | undefined, event: EventRecord, id: string): JsonObject;
  /**
   * The whole history of the document, over one or more domains: a missing document is folded from it and never made
   * from one later event. It may hold events of other documents, which are left out. Undefined: nothing came before
   * this event, it makes the document alone.
   */
  history(event: EventRecord, id: string): readonly HistoryQuery[] | undefined;
}

export type ProjectionDefinition = RedisProjection | ElasticsearchProjection;

interface TypedRedisProjection<D extends EventDefinition> extends RedisProjection {
  readonly reads: readonly D[];
  mutations(event: EventOf<D>): readonly RedisMutation[];
}

interface TypedElasticsearchProjection<D extends EventDefinition> extends ElasticsearchProjection {
  readonly reads: readonly D[];
  documentIds(event: EventOf<D>): readonly string[];
  source(event: EventOf<D>, id: string): string;
  fold(document: JsonObject | undefined, event: EventOf<D>, id: string): JsonObject;
  history(event: EventOf<D>, id: string): readonly HistoryQuery[] | undefined;
}

/**
 * Checks a projection against the payloads of the events that it reads, then forgets the types so that lists can hold it.
 * The functions are only ever given events of `reads`.
 */
export function defineProjection<D extends EventDefinition>(definition: TypedRedisProjection<D>): RedisProjection;
export function defineProjection<D extends EventDefinition>(definition: TypedElasticsearchProjection<D>): ElasticsearchProjection;
export function defineProjection(definition: ProjectionDefinition): ProjectionDefinition {
  return definition;
}
