import type { ElasticsearchProjection } from '../../core/define-projection.ts';
import type { EventRecord } from '../../core/envelope.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { SourceVersions } from './document-store.ts';

/** An event on its way into one document, with the document's history once that was asked for. */
export interface DocumentEvent {
  readonly event: EventRecord;
  readonly history: readonly EventRecord[] | undefined;
}

export interface DocumentState {
  readonly document: JsonObject;
  readonly versions: SourceVersions;
}

/**
 * - `applied`: in the new state.
 * - `stale`: was in the stored state already.
 * - `needs-history`: the document is missing, or a version between was not seen, and one event cannot tell what was in it.
 */
export type FoldResult =
  | { readonly kind: 'applied' }
  | { readonly kind: 'stale' }
  | { readonly kind: 'needs-history' }
  | { readonly kind: 'failed'; readonly error: ClassifiedError };

/**
 * Folds the events that have not been applied into the document, in the order of their versions. Pure: the state is new,
 * or the stored one when nothing was applied; results are in the order of the events.
 */
export function foldDocument(
  projection: ElasticsearchProjection,
  id: string,
  stored: DocumentState | undefined,
  events: readonly DocumentEvent[],
): { readonly state: DocumentState | undefined; readonly results: readonly FoldResult[] } {
  const results = new Map<DocumentEvent, FoldResult>();
  const applied = new Set<string>();
  let state = stored;
  for (const item of [...events].sort((a, b) => byVersion(a.event, b.event))) {
    try {
      const next = foldOne(projection, id, state, item);
      // What another event's history brought along in this very fold is applied, once.
      const step = next.result.kind === 'stale' && isNewTo(projection, id, stored, item.event) ? APPLIED : next.result;
      const once = `${projection.source(item.event, id)}:${item.event.version}`;
      results.set(item, step.kind === 'applied' && applied.has(once) ? STALE : step);
      if (step.kind === 'applied') applied.add(once);
      state = next.state;
    } catch (error) {
      const message = `projection ${projection.name} threw on ${item.event.type}`;
      results.set(item, { kind: 'failed', error: new ClassifiedError('DOCUMENT_INVALID', message, { cause: error }) });
    }
  }
  return { state, results: events.map((item) => results.get(item) ?? STALE) };
}

/** The document as its whole history makes it; undefined when no event touches it. Events that the projection does not read are left out. */
export function foldHistory(projection: ElasticsearchProjection, id: string, history: readonly EventRecord[]): DocumentState | undefined {
  const wanted = new Set(projection.reads.map((event) => event.type));
  const events = history.filter((event) => wanted.has(event.type) && projection.documentIds(event).includes(id));
  let state: DocumentState | undefined;
  for (const event of events.sort(byVersion)) {
    if (isNewTo(projection, id, state, event)) state = foldInto(projection, id, state, event);
  }
  return state;
}

const APPLIED: FoldResult = { kind: 'applied' };
const STALE: FoldResult = { kind: 'stale' };
const NEEDS_HISTORY: FoldResult = { kind: 'needs-history' };

interface Step {
  readonly state: DocumentState | undefined;
  readonly result: FoldResult;
}

function foldOne(
  projection: ElasticsearchProjection,
  id: string,
  state: DocumentState | undefined,
  { event, history }: DocumentEvent,
): Step {
  if (!isNewTo(projection, id, state, event)) return { state, result: STALE };
  if (!needsHistory(projection, id, state, event)) return { state: foldInto(projection, id, state, event), result: APPLIED };
  if (history === undefined) return { state, result: NEEDS_HISTORY };
  const rebuilt = foldHistory(projection, id, [...history, event]);
  // The document went on while its history was read: what it has seen since must not be lost.
  if (rebuilt === undefined || !covers(rebuilt.versions, state?.versions)) return { state, result: NEEDS_HISTORY };
  return { state: rebuilt, result: APPLIED };
}

/**
 * The first event of a source whose every version touches the document begins it: nothing of it can have come before, and
 * what other sources say of it comes later or has folded this very event from history.
 */
function needsHistory(projection: ElasticsearchProjection, id: string, state: DocumentState | undefined, event: EventRecord): boolean {
  const source = projection.source(event, id);
  const isContiguous = projection.contiguousSources.includes(source);
  const begins = isContiguous && event.version === 1n;
  const gap = isContiguous && event.version !== seenVersion(state, source) + 1n;
  return ((state === undefined && !begins) || gap) && projection.history(event, id) !== undefined;
}

function foldInto(projection: ElasticsearchProjection, id: string, state: DocumentState | undefined, event: EventRecord): DocumentState {
  return {
    document: projection.fold(state?.document, event, id),
    versions: { ...state?.versions, [projection.source(event, id)]: event.version.toString() },
  };
}

function isNewTo(projection: ElasticsearchProjection, id: string, state: DocumentState | undefined, event: EventRecord): boolean {
  return event.version > seenVersion(state, projection.source(event, id));
}

function seenVersion(state: DocumentState | undefined, source: string): bigint {
  return BigInt(state?.versions[source] ?? '0');
}

function covers(versions: SourceVersions, seen: SourceVersions | undefined): boolean {
  return Object.entries(seen ?? {}).every(([source, version]) => BigInt(versions[source] ?? '0') >= BigInt(version));
}

function byVersion(a: EventRecord, b: EventRecord): number {
  return a.version < b.version ? -1 : Number(a.version > b.version);
}
