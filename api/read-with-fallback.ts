import { classified } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { Read } from './query-ports.ts';

export interface FallbackRead<T> {
  /** The query's name in the metric: one of a few, never an id. */
  readonly query: string;
  /** Names the document: reads of the same one that fall back at the same time share one look into the write database. */
  readonly key?: string;
  /** Undefined: the read model does not hold the document. Should give up when the signal aborts. */
  readModel(signal: AbortSignal): Promise<T | undefined>;
  writeDatabase(): Promise<T>;
  /** Puts what the write database said into the read model. Must be guarded by version: a newer projection may be faster. */
  fill?(data: T): Promise<void>;
}

export interface FallbackOptions {
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** A read model that does not answer within this time counts as away. */
  readonly readModelWithinMs?: number;
  /** Fills under way at a time; beyond it a fill is left to the next read. */
  readonly fillsMax?: number;
}

export type ReadWithFallback = <T>(read: FallbackRead<T>) => Promise<Read<T>>;

const READ_MODEL_WITHIN_MS = 500;
const FILLS_MAX = 64;

/**
 * The read model first; on a miss, or while it is away, the write database. After a miss the read model is filled behind
 * the answer's back: a failed fill costs a log line, never the answer. Rejects only when the write database does.
 */
export function createReadWithFallback(options: FallbackOptions): ReadWithFallback {
  const withinMs = options.readModelWithinMs ?? READ_MODEL_WITHIN_MS;
  const underWay = new Map<string, Promise<unknown>>();
  let filling = 0;

  /** A hot document whose read model is away must not become a crowd before the write database. */
  const writeDatabase = async <T>(read: FallbackRead<T>, fillAfter: boolean): Promise<T> => {
    const ask = async (): Promise<T> => {
      const data = await read.writeDatabase();
      if (fillAfter) void fill(read, data);
      return data;
    };
    if (read.key === undefined) return ask();
    const name = `${read.query} ${read.key}`;
    // The same query and key ask for the same type.
    const shared = underWay.get(name) as Promise<T> | undefined;
    if (shared !== undefined) return shared;
    const asked = ask().finally(() => underWay.delete(name));
    underWay.set(name, asked);
    return asked;
  };

  const fill = async <T>(read: FallbackRead<T>, data: T): Promise<void> => {
    if (read.fill === undefined || data === undefined || filling >= (options.fillsMax ?? FILLS_MAX)) return;
    filling += 1;
    try {
      await read.fill(data);
    } catch (error) {
      options.logger.warn({ 'log.logger': 'read-fallback', query: read.query }, 'the read model was not filled', error);
    } finally {
      filling -= 1;
    }
  };

  const fallBack = async <T>(read: FallbackRead<T>, reason: 'miss' | 'outage' | 'error'): Promise<Read<T>> => {
    const data = await writeDatabase(read, reason === 'miss');
    options.metrics.count('millrace_read_fallback_total', { query: read.query, reason });
    return { data, source: 'write-database' };
  };

  return async (read) => {
    try {
      const data = await inTime(read, withinMs);
      if (data !== undefined) return { data, source: 'read-model' };
    } catch (thrown) {
      const error = classified(thrown, 'UNCLASSIFIED', 'the read model failed');
      if (error.disposition === 'outage' || isTimeout(thrown)) return fallBack(read, 'outage');
      // A read model that answers nonsense is a fault to look at, and still no reason to leave the reader without data.
      options.logger.error({ 'log.logger': 'read-fallback', query: read.query }, 'the read model failed', error);
      return fallBack(read, 'error');
    }
    return fallBack(read, 'miss');
  };
}

/** Rejects with the signal's TimeoutError when the read model is too slow; its late answer is dropped. */
async function inTime<T>(read: FallbackRead<T>, withinMs: number): Promise<T | undefined> {
  const tooLate = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    // Not AbortSignal.timeout: nobody could take it back, and for each answered read it would make an error half a second later.
    timer = setTimeout(() => {
      const reason = new DOMException('the read model did not answer in time', 'TimeoutError');
      tooLate.abort(reason);
      reject(reason);
    }, withinMs);
  });
  try {
    return await Promise.race([read.readModel(tooLate.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}

function isTimeout(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === 'TimeoutError';
}
