import type { RedisProjection } from '../../core/define-projection.ts';
import type { EventRecord } from '../../core/envelope.ts';
import type { Names } from '../../core/names.ts';
import type { CharacterListEntry } from '../character-list/character-list.ts';
import { characterList, characterListKey } from '../character-list/character-list.ts';
import { weeklyRankingKey } from '../weekly-ranking/weekly-ranking.ts';
import { classifyRedisError } from './classify-redis-error.ts';
import { mutationsOfHistory } from './document-mutations.ts';
import { TOP_SCRIPT } from './document-scripts.ts';
import { hashOfHistory, scoresOfHistory } from './fold-history.ts';
import type { RedisClient } from './redis-documents.ts';
import { countedKey, createRedisDocuments, runScript } from './redis-documents.ts';

export interface RankedUser {
  /** 1 is the best; equal counts share a rank. */
  readonly rank: number;
  readonly user_id: string;
  readonly count: number;
}

/**
 * Reads of the read models in Redis, and what fills them after a miss. Reads resolve with undefined when the document is
 * missing: then ask the event store (`projection.history(key)`), answer with `…Of`, and `fill…` the same events. Every
 * method that asks Redis rejects with REDIS_UNAVAILABLE or DOCUMENT_INVALID.
 */
export interface RedisReader {
  /** By time of acquisition, then by id. */
  characterList(userId: string): Promise<readonly CharacterListEntry[] | undefined>;
  fillCharacterList(userId: string, events: readonly EventRecord[]): Promise<void>;
  /** Best first, users of equal count by id; `limit` at least 1. */
  weeklyRanking(week: string, limit: number): Promise<readonly RankedUser[] | undefined>;
  fillWeeklyRanking(week: string, events: readonly EventRecord[]): Promise<void>;
}

export function createRedisReader(options: {
  readonly redis: RedisClient;
  readonly names: Names;
  readonly weeklyRanking: RedisProjection;
}): RedisReader {
  const { redis, names } = options;
  const fill = async (projection: RedisProjection, key: string, events: readonly EventRecord[]): Promise<void> => {
    await createRedisDocuments(redis, projection).merge(names.redisKey(key), mutationsOfHistory(projection, key, events), 'last part');
  };
  return {
    characterList: async (userId) => {
      const hash = await readHash(redis, names.redisKey(characterListKey(userId)));
      return hash === undefined ? undefined : listOf(hash.values());
    },
    fillCharacterList: (userId, events) => fill(characterList, characterListKey(userId), events),
    weeklyRanking: async (week, limit) => {
      const key = names.redisKey(weeklyRankingKey(week));
      const answer = await runScript(redis, TOP_SCRIPT, [key, countedKey(key)], [Math.max(1, limit).toString()]);
      return Array.isArray(answer) ? ranked(pairs(answer as readonly string[])) : undefined;
    },
    fillWeeklyRanking: (week, events) => fill(options.weeklyRanking, weeklyRankingKey(week), events),
  };
}

/** The list as the write database tells it: the fold of the user's events. */
export function characterListOf(userId: string, events: readonly EventRecord[]): readonly CharacterListEntry[] {
  return listOf(hashOfHistory(characterList, characterListKey(userId), events).values());
}

/** The ranking as the write database tells it: the fold of the week's events. */
export function weeklyRankingOf(
  projection: RedisProjection,
  week: string,
  events: readonly EventRecord[],
  limit: number,
): readonly RankedUser[] {
  return ranked([...scoresOfHistory(projection, weeklyRankingKey(week), events)]).slice(0, limit);
}

async function readHash(redis: RedisClient, key: string): Promise<Map<string, string> | undefined> {
  const fields = await redis.hgetall(key).catch((error: unknown) => {
    throw classifyRedisError(error);
  });
  if (fields['_'] === undefined) return undefined;
  return new Map(Object.entries(fields).filter(([field]) => !field.startsWith('_')));
}

function listOf(values: Iterable<string>): readonly CharacterListEntry[] {
  const entries = [...values].map((value) => JSON.parse(value) as CharacterListEntry);
  return entries.sort((a, b) => compare(a.acquired_at, b.acquired_at) || compare(a.id, b.id));
}

function pairs(flat: readonly string[]): [string, number][] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [flat[index * 2] ?? '', Number(flat[index * 2 + 1])]);
}

function ranked(scores: readonly (readonly [string, number])[]): readonly RankedUser[] {
  const sorted = [...scores].sort(([userA, a], [userB, b]) => b - a || compare(userA, userB));
  let rank = 0;
  return sorted.map(([user_id, count], index) => {
    if (count !== sorted[index - 1]?.[1]) rank = index + 1;
    return { rank, user_id, count };
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
