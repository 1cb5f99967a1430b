import type { Clock } from '../../core/clock.ts';
import type { History, RedisMutation, RedisProjection } from '../../core/define-projection.ts';
import { ClassifiedError, classified } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { Names } from '../../core/names.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import type { ItemResult } from '../coalescer.ts';
import { Coalescer } from '../coalescer.ts';
import type { Projector, ProjectorContext } from '../projector.ts';
import { measureProjected } from '../projector.ts';
import { mutationsOf, mutationsOfHistory } from './document-mutations.ts';
import type { RedisClient, RedisDocuments } from './redis-documents.ts';
import { createRedisDocuments } from './redis-documents.ts';

export interface RedisProjectorOptions {
  readonly projection: RedisProjection;
  readonly redis: RedisClient;
  readonly names: Names;
  readonly history: History;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly batch?: RedisBatchLimits;
}

export interface RedisBatchLimits {
  /** Documents changed in one round trip at most. Default 500. */
  readonly documentsMax?: number;
  /** Documents folded from history at the same time. Default 8. */
  readonly hydrationsMax?: number;
}

/** See Projector. One script call per document and round trip; a missing document is folded from history first. */
export function createRedisProjector(options: RedisProjectorOptions): Projector {
  return createProjectorOver(createRedisDocuments(options.redis, options.projection), options);
}

/** The projector over any store that keeps the guard's promises. */
export function createProjectorOver(documents: RedisDocuments, options: Omit<RedisProjectorOptions, 'redis'>): Projector {
  const { projection, names, metrics, clock } = options;
  const writer = new GuardedWriter(documents, options);
  return {
    handle: async (event, context): Promise<HandlerResult> => {
      try {
        const byKey = groupByKey(mutationsOf(projection, event));
        if (byKey.size === 0) return { kind: 'skipped', reason: 'not-wanted' };
        const applied = await Promise.all(
          [...byKey].map(([key, mutations]) => writer.write({ key, name: names.redisKey(key), mutations, context })),
        );
        if (!applied.includes(true)) return { kind: 'skipped', reason: 'stale-version' };
        measureProjected(metrics, clock, projection.name, event);
        return { kind: 'acked' };
      } catch (error) {
        return { kind: 'failed', error: classified(error, 'UNCLASSIFIED', `projection ${projection.name} failed`) };
      }
    },
    ensure: async () => [],
  };
}

interface Change {
  /** As the projection names the document, and as it is named on the server. */
  readonly key: string;
  readonly name: string;
  readonly mutations: readonly RedisMutation[];
  readonly context: ProjectorContext | undefined;
}

/** A document that vanishes again right after it was filled, this many times, is being evicted. */
const HYDRATIONS_PER_CHANGE_MAX = 3;

class GuardedWriter {
  private readonly documents: RedisDocuments;
  private readonly options: Omit<RedisProjectorOptions, 'redis'>;
  private readonly live: Coalescer<Change, 'missing' | boolean>;
  private readonly hydrations: Coalescer<Change, undefined>;

  constructor(documents: RedisDocuments, options: Omit<RedisProjectorOptions, 'redis'>) {
    this.documents = documents;
    this.options = options;
    const { clock, batch } = options;
    this.live = new Coalescer({
      itemsMax: batch?.documentsMax ?? 500,
      lingerMs: 0,
      clock,
      flush: async (changes) => perDocument(changes, (name, of) => this.apply(name, of)),
    });
    this.hydrations = new Coalescer({
      itemsMax: batch?.hydrationsMax ?? 8,
      lingerMs: 0,
      clock,
      flush: async (changes) => perDocument(changes, (name, of) => this.hydrate(name, of)),
    });
  }

  /** True when the change had an effect, by itself or as part of the history that was folded for it. */
  async write(change: Change): Promise<boolean> {
    for (let hydrations = 0; hydrations <= HYDRATIONS_PER_CHANGE_MAX; hydrations += 1) {
      const result = await this.live.add(change);
      if (result !== 'missing') return result || hydrations > 0;
      await this.hydrations.add(change);
    }
    throw new ClassifiedError('REDIS_UNAVAILABLE', 'the document vanishes as soon as it is written: Redis evicts keys');
  }

  /** One call for all changes of the document; the answers are dealt out again in the same order. */
  private async apply(name: string, changes: readonly Change[]): Promise<readonly ItemResult<'missing' | boolean>[]> {
    const wanted = changes.filter((change) => change.context?.signal.aborted !== true);
    const mutations = wanted.flatMap((change) => change.mutations);
    const answer = mutations.length === 0 ? [] : await this.documents.apply(name, mutations);
    let next = 0;
    return changes.map((change) => {
      if (!wanted.includes(change)) return { ok: false, error: new ClassifiedError('HANDLER_TIMEOUT', 'aborted before the write began') };
      if (answer === 'missing') return { ok: true, value: 'missing' };
      const applied = answer.slice(next, next + change.mutations.length).includes(true);
      next += change.mutations.length;
      return { ok: true, value: applied };
    });
  }

  private async hydrate(name: string, changes: readonly Change[]): Promise<readonly ItemResult<undefined>[]> {
    const { projection, history, logger } = this.options;
    const key = changes[0]?.key ?? '';
    let mutations = 0;
    // The last ones are held back, so that a document of one page is written and begins to exist in one call.
    let held: readonly RedisMutation[] = [];
    for (const query of projection.history(key)) {
      for await (const page of history.pages(query)) {
        const folded = mutationsOfHistory(projection, key, page);
        if (folded.length === 0) continue;
        if (held.length > 0) await this.documents.merge(name, held, 'first parts');
        held = folded;
        mutations += folded.length;
      }
    }
    await this.documents.merge(name, held, 'last part');
    logger.debug({ projection: projection.name, mutations }, 'folded a missing document from history');
    return changes.map(() => ({ ok: true, value: undefined }));
  }
}

/** Runs the documents of a batch at the same time; a failure is the result of that document's changes only. */
async function perDocument<R>(
  changes: readonly Change[],
  run: (name: string, changes: readonly Change[]) => Promise<readonly ItemResult<R>[]>,
): Promise<readonly ItemResult<R>[]> {
  const byName = new Map<string, Change[]>();
  for (const change of changes) {
    const known = byName.get(change.name);
    if (known === undefined) byName.set(change.name, [change]);
    else known.push(change);
  }
  const results = new Map<Change, ItemResult<R>>();
  await Promise.all(
    [...byName].map(async ([name, of]) => {
      const settled = await run(name, of).catch((error: unknown) => of.map((): ItemResult<R> => ({ ok: false, error })));
      for (const [index, change] of of.entries()) {
        const result = settled[index];
        if (result !== undefined) results.set(change, result);
      }
    }),
  );
  return changes.map((change) => results.get(change) ?? { ok: false, error: new RangeError('a change got no result') });
}

function groupByKey(mutations: readonly RedisMutation[]): Map<string, RedisMutation[]> {
  const byKey = new Map<string, RedisMutation[]>();
  for (const mutation of mutations) {
    const known = byKey.get(mutation.key);
    if (known === undefined) byKey.set(mutation.key, [mutation]);
    else known.push(mutation);
  }
  return byKey;
}
