import type { Revocation } from '../../core/access-token.ts';
import type { Names } from '../../core/names.ts';
import { kept, revocationKey, tokenBlacklist } from '../token-blacklist/token-blacklist.ts';
import { classifyRedisError } from './classify-redis-error.ts';
import type { RedisClient } from './redis-documents.ts';
import { createRedisDocuments } from './redis-documents.ts';

/** Says that everything that is revoked is here. It goes by itself, so that what was lost without a trace is filled anew. */
const WHOLE_KEY = 'auth:blacklist';
const WHOLE_MS = 10 * 60_000;
const WRITES_AT_ONCE = 200;

export interface FoundRevocations {
  /** When each was revoked, in milliseconds since 1970, or undefined for one of which nothing is here. */
  readonly revokedAtMs: readonly (number | undefined)[];
  /** False: what is not here may be revoked all the same. */
  readonly isWhole: boolean;
}

/** What refuses tokens, in Redis. Every method rejects with REDIS_UNAVAILABLE or DOCUMENT_INVALID. */
export interface RevocationStore {
  find(names: readonly Pick<Revocation, 'of' | 'id'>[]): Promise<FoundRevocations>;
  /** In any order, any number of times. */
  keep(revocations: readonly Revocation[]): Promise<void>;
  /** From now on, for ten minutes, what is here is all: to be called when everything that was revoked has been kept. */
  seal(): Promise<void>;
}

export function createRevocationStore({ redis, names }: { readonly redis: RedisClient; readonly names: Names }): RevocationStore {
  const documents = createRedisDocuments(redis, tokenBlacklist);
  const asked = async <T>(question: Promise<T>): Promise<T> =>
    question.catch((error: unknown) => {
      throw classifyRedisError(error);
    });
  return {
    async find(wanted) {
      const keys = [WHOLE_KEY, ...wanted.map(revocationKey)].map((key) => names.redisKey(key));
      const [whole = null, ...found] = await asked(getTogether(redis, keys));
      return { revokedAtMs: found.map((value) => (value === null ? undefined : Number(value))), isWhole: whole !== null };
    },
    async keep(revocations) {
      for (let start = 0; start < revocations.length; start += WRITES_AT_ONCE) {
        const part = revocations.slice(start, start + WRITES_AT_ONCE);
        await Promise.all(part.map((revocation) => documents.apply(names.redisKey(revocationKey(revocation)), [kept(revocation, 1n)])));
      }
    },
    async seal() {
      await asked(redis.set(names.redisKey(WHOLE_KEY), '1', 'PX', WHOLE_MS));
    },
  };
}

/**
 * This is asked for every request, in one command where all keys are in one server; those of a cluster may lie in different slots.
 * `MGET` takes a key of another type for a missing one, which nothing of ours makes: whatever `keep` writes is a string again.
 * Not a pipeline: the library's outlive the young generation, and copying them made pauses of 5 ms, as long as a check may take.
 */
async function getTogether(redis: RedisClient, keys: readonly string[]): Promise<readonly (string | null)[]> {
  return redis.isCluster ? Promise.all(keys.map((key) => redis.get(key))) : redis.mget(...keys);
}
