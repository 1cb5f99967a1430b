import type { RedisMutation, RedisProjection } from '../../core/define-projection.ts';
import type { Projector } from '../projector.ts';
import type { NoteDocument } from '../rehearsed-document.ts';
import { classifyRedisError } from './classify-redis-error.ts';
import type { RedisClient, RedisDocuments } from './redis-documents.ts';
import { countedKey } from './redis-documents.ts';
import type { RedisProjectorOptions } from './redis-projector.ts';
import { createProjectorOver } from './redis-projector.ts';

/** The projector over the documents that are there, of which it writes none: it notes what it would have written. */
export function createRehearsedRedisProjector(options: RedisProjectorOptions, note: NoteDocument): Pick<Projector, 'handle'> {
  return createProjectorOver(rehearsedDocuments(options.redis, options.projection, note), options);
}

function rehearsedDocuments(redis: RedisClient, projection: Pick<RedisProjection, 'structure'>, note: NoteDocument): RedisDocuments {
  const seen = SEEN_IN[projection.structure];
  const folded = new Set<string>();
  return {
    apply: async (key, mutations) => {
      // The history holds the event itself.
      if (folded.has(key)) return mutations.map(() => false);
      const found = await seen(redis, key, mutations).catch((error: unknown) => {
        throw classifyRedisError(error);
      });
      if (found === 'missing') return found;
      const applied = found.map((isOld) => !isOld);
      for (const [index, mutation] of mutations.entries()) if (applied[index] === true) note(documentOf(key, mutation));
      return applied;
    },
    merge: async (key, history) => {
      folded.add(key);
      note({ store: 'redis', id: key, change: 'folded', part: undefined, content: { changes: history.length } });
    },
  };
}

function documentOf(key: string, mutation: RedisMutation): Parameters<NoteDocument>[0] {
  const head = { store: 'redis', id: key, change: mutation.op } as const;
  switch (mutation.op) {
    case 'put':
      return { ...head, part: mutation.field, content: mutation.value };
    case 'drop':
      return { ...head, part: mutation.field, content: undefined };
    case 'count':
      return { ...head, part: mutation.member, content: mutation.by };
    case 'keep':
      return { ...head, part: undefined, content: { value: mutation.value, until: new Date(mutation.untilMs).toISOString() } };
  }
}

/** For each mutation whether the guard would refuse it. Reads what the scripts read, as document-scripts.ts lays it out. */
type Seen = (redis: RedisClient, key: string, mutations: readonly RedisMutation[]) => Promise<'missing' | readonly boolean[]>;

const seenInHash: Seen = async (redis, key, mutations) => {
  const fields = mutations.map((mutation) => ('field' in mutation ? mutation.field : ''));
  const [mark, ...versions] = await redis.hmget(key, '_', ...fields.map((field) => `_v:${field}`));
  if (mark === null || mark === undefined) return 'missing';
  return mutations.map((mutation, index) => isAtLeast(versions[index], mutation.version.toString()));
};

const seenInSortedSet: Seen = async (redis, key, mutations) => {
  const names = mutations.map((mutation) => (mutation.op === 'count' ? `${mutation.version}:${mutation.member}` : ''));
  const [mark, ...counted] = await redis.smismember(countedKey(key), '_', ...names);
  if (mark !== 1) return 'missing';
  return counted.map((found) => found === 1);
};

const seenInString: Seen = async (redis, key, mutations) => {
  const [[seconds, micros], left] = await Promise.all([redis.time(), redis.pttl(key)]);
  const nowMs = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  return mutations.map((mutation) => mutation.op !== 'keep' || mutation.untilMs - nowMs <= Math.max(0, left));
};

const SEEN_IN: Readonly<Record<RedisProjection['structure'], Seen>> = {
  hash: seenInHash,
  zset: seenInSortedSet,
  string: seenInString,
};

/** As text, like the script: numbers lose digits. */
function isAtLeast(seen: string | null | undefined, version: string): boolean {
  if (seen === null || seen === undefined) return false;
  return seen.length > version.length || (seen.length === version.length && seen >= version);
}
