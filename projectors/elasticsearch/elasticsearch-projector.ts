import type { Client } from '@elastic/elasticsearch';
import type { Clock } from '../../core/clock.ts';
import type { ElasticsearchProjection, History } from '../../core/define-projection.ts';
import type { EventRecord } from '../../core/envelope.ts';
import { ClassifiedError, classified } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { Names } from '../../core/names.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import { Coalescer } from '../coalescer.ts';
import type { Projector, ProjectorContext } from '../projector.ts';
import { measureProjected } from '../projector.ts';
import type { DocumentStore } from './document-store.ts';
import { createElasticsearchDocuments } from './elasticsearch-documents.ts';
import { ensureIndex } from './ensure-index.ts';
import type { Change, ChangeResult } from './flush-documents.ts';
import { flushDocuments } from './flush-documents.ts';

export interface ElasticsearchProjectorOptions {
  readonly projection: ElasticsearchProjection;
  readonly client: Client;
  readonly names: Names;
  readonly history: History;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly batch?: ElasticsearchBatchLimits;
}

export interface ElasticsearchBatchLimits {
  /** Events of one bulk at most. Default 500. */
  readonly eventsMax?: number;
  /** Bytes of one bulk request. Default 5 MB. */
  readonly bytesMax?: number;
  /** How long the first event of an idle projector waits for company. Default 5. */
  readonly lingerMs?: number;
  /** Histories read at the same time. Default 8. */
  readonly historiesMax?: number;
}

/** See Projector. One read and one bulk per batch; it never forces a refresh: searches see the write within a second. */
export function createElasticsearchProjector(options: ElasticsearchProjectorOptions): Projector {
  const { projection, client, names, batch } = options;
  const index = names.index(`${projection.alias}-v${projection.version}`);
  const store = createElasticsearchDocuments(client, index, batch?.bytesMax === undefined ? {} : { bytesMax: batch.bytesMax });
  return { handle: createHandle(store, options), ensure: () => ensureIndex(client, names, projection, options.logger) };
}

/** Documents that go on while their history is read, this many times, are somebody else's to write. */
const HISTORIES_PER_CHANGE_MAX = 5;

/** The projector's handling over any store that keeps the promises of DocumentStore. */
export function createHandle(
  store: DocumentStore,
  options: Omit<ElasticsearchProjectorOptions, 'client' | 'names' | 'logger'>,
): Projector['handle'] {
  const { projection, history, metrics, clock, batch } = options;
  const writes = new Coalescer<Change, ChangeResult>({
    itemsMax: batch?.eventsMax ?? 500,
    lingerMs: batch?.lingerMs ?? 5,
    clock,
    flush: (changes) => flushDocuments(store, projection, clock, changes),
  });
  const histories = new Coalescer<Change, readonly EventRecord[]>({
    itemsMax: batch?.historiesMax ?? 8,
    lingerMs: 0,
    clock,
    flush: (changes) => Promise.all(changes.map((change) => readHistory(projection, history, change))),
  });

  const write = async (event: EventRecord, id: string, context: ProjectorContext | undefined): Promise<boolean> => {
    let change: Change = { id, event, history: undefined };
    for (let asked = 0; asked <= HISTORIES_PER_CHANGE_MAX; asked += 1) {
      if (context?.signal.aborted === true) throw new ClassifiedError('HANDLER_TIMEOUT', 'aborted before the write began');
      const result = await writes.add(change);
      if (result !== 'needs-history') return result === 'applied';
      change = { id, event, history: await histories.add(change) };
    }
    throw new ClassifiedError('VERSION_CONFLICT', 'the document went on each time its history was read');
  };

  return async (event, context): Promise<HandlerResult> => {
    try {
      const ids = documentIdsOf(projection, event);
      if (ids.length === 0) return { kind: 'skipped', reason: 'not-wanted' };
      const applied = await Promise.all(ids.map((id) => write(event, id, context)));
      if (!applied.includes(true)) return { kind: 'skipped', reason: 'stale-version' };
      measureProjected(metrics, clock, projection.name, event);
      return { kind: 'acked' };
    } catch (error) {
      return { kind: 'failed', error: classified(error, 'UNCLASSIFIED', `projection ${projection.name} failed`) };
    }
  };
}

async function readHistory(projection: ElasticsearchProjection, history: History, { event, id }: Change) {
  try {
    const events: EventRecord[] = [];
    for (const query of projection.history(event, id) ?? []) events.push(...(await history.events(query)));
    return { ok: true, value: events } as const;
  } catch (error) {
    return { ok: false, error } as const;
  }
}

const ID_BYTES_MAX = 512;

/** Elasticsearch refuses a whole request for one id that is empty or too long: such an event must not get into one. */
function documentIdsOf(projection: ElasticsearchProjection, event: EventRecord): readonly string[] {
  if (!projection.reads.some(({ type }) => type === event.type)) return [];
  let ids: readonly string[];
  try {
    ids = projection.documentIds(event);
  } catch (error) {
    throw new ClassifiedError('DOCUMENT_INVALID', `projection ${projection.name} threw on ${event.type}`, { cause: error });
  }
  if (ids.some((id) => id === '' || Buffer.byteLength(id) > ID_BYTES_MAX)) {
    throw new ClassifiedError('DOCUMENT_INVALID', `projection ${projection.name}: a document id is empty or longer than 512 bytes`);
  }
  return [...new Set(ids)];
}
