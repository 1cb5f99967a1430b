import type { Cluster, Redis } from 'ioredis';
import type { RedisMutation, RedisProjection } from '../../core/define-projection.ts';
import { classifyRedisError, isScriptMissing } from './classify-redis-error.ts';
import type { DocumentScript } from './document-scripts.ts';
import { HASH_SCRIPT, STRING_SCRIPT, ZSET_SCRIPT } from './document-scripts.ts';

export type RedisClient = Redis | Cluster;

/**
 * The guarded documents of one projection. Keys are full names, mutations of a call all belong to the document of the key.
 * Every method rejects with REDIS_UNAVAILABLE, DOCUMENT_INVALID or UNCLASSIFIED; part of a `merge` may then be written.
 */
export interface RedisDocuments {
  /** Changes an existing document, atomically; says for each mutation whether it was applied (false: stale). */
  apply(key: string, mutations: readonly RedisMutation[]): Promise<'missing' | readonly boolean[]>;
  /**
   * Merges a part of the document's history into it; with the last part the document begins to exist. Safe beside `apply`
   * and other merges: the guard decides.
   */
  merge(key: string, history: readonly RedisMutation[], part: 'first parts' | 'last part'): Promise<void>;
}

/** So that one script never holds the server for long. */
const MERGED_AT_ONCE_MAX = 1000;

export function createRedisDocuments(redis: RedisClient, projection: Pick<RedisProjection, 'structure' | 'ttlMs'>): RedisDocuments {
  const { script, keys } = STRUCTURES[projection.structure];
  const ttl = (projection.ttlMs ?? 0).toString();
  const change = async (key: string, mode: Mode, mutations: readonly RedisMutation[]): Promise<unknown> =>
    runScript(redis, script, keys(key), [mode, ttl, ...mutations.flatMap(scriptArguments)]);

  return {
    apply: async (key, mutations) => {
      const answer = await change(key, 'live', mutations);
      return Array.isArray(answer) ? answer.map((applied) => applied === 1) : 'missing';
    },
    merge: async (key, history, part) => {
      let start = 0;
      for (; start + MERGED_AT_ONCE_MAX < history.length; start += MERGED_AT_ONCE_MAX) {
        await change(key, 'fill', history.slice(start, start + MERGED_AT_ONCE_MAX));
      }
      await change(key, part === 'last part' ? 'seal' : 'fill', history.slice(start));
    },
  };
}

type Mode = 'live' | 'fill' | 'seal';

const STRUCTURES = {
  hash: { script: HASH_SCRIPT, keys: (key: string) => [key] },
  zset: { script: ZSET_SCRIPT, keys: (key: string) => [key, countedKey(key)] },
  string: { script: STRING_SCRIPT, keys: (key: string) => [key] },
} as const;

/** What a sorted set has counted; the braces put it into the set's own slot. */
export function countedKey(key: string): string {
  return `{${key}}:counted`;
}

/** Runs by digest; a server that does not know the script yet (restarted, failed over, another node) is sent its text. */
export async function runScript(
  redis: RedisClient,
  script: DocumentScript,
  keys: readonly string[],
  args: readonly string[],
): Promise<unknown> {
  try {
    return await redis.evalsha(script.sha1, keys.length, ...keys, ...args);
  } catch (error) {
    if (!isScriptMissing(error)) throw classifyRedisError(error);
  }
  try {
    return await redis.eval(script.text, keys.length, ...keys, ...args);
  } catch (error) {
    throw classifyRedisError(error);
  }
}

function scriptArguments(mutation: RedisMutation): readonly [string, string, string] {
  const version = mutation.version.toString();
  switch (mutation.op) {
    case 'put':
      return [mutation.field, version, JSON.stringify(mutation.value)];
    case 'drop':
      return [mutation.field, version, ''];
    case 'count':
      return [mutation.member, version, mutation.by.toString()];
    case 'keep':
      return [mutation.value, version, mutation.untilMs.toString()];
  }
}
