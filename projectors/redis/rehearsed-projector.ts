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
  const seen = projection.structure === 'hash' ? seenInHash : seenInSortedSet;
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
  }
}

/** For each mutation whether the guard would refuse it. Reads what the scripts read, as document-scripts.ts lays it out. */
type Seen = (redis: RedisClient, key: string, mutations: readonly RedisMutation[]) => Promise<'missing' | readonly boolean[]>;

const seenInHash: Seen = async (redis, key, mutations) => {
  const fields = mutations.map((mutation) => (mutation.op === 'count' ? '' : mutation.field));
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

/** As text, like the script: numbers lose digits. */
function isAtLeast(seen: string | null | undefined, version: string): boolean {
  if (seen === null || seen === undefined) return false;
  return seen.length > version.length || (seen.length === version.length && seen >= version);
}
