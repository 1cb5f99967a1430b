import type { RedisMutation, RedisProjection } from '../../core/define-projection.ts';
import type { EventRecord } from '../../core/envelope.ts';
import { mutationsOfHistory } from './document-mutations.ts';

/** The fields of a hash document as its whole history makes them: JSON text by field. */
export function hashOfHistory(projection: RedisProjection, key: string, events: readonly EventRecord[]): ReadonlyMap<string, string> {
  const latest = new Map<string, Extract<RedisMutation, { op: 'put' | 'drop' }>>();
  for (const mutation of mutationsOfHistory(projection, key, events)) {
    if (mutation.op !== 'put' && mutation.op !== 'drop') continue;
    const seen = latest.get(mutation.field);
    if (seen === undefined || mutation.version > seen.version) latest.set(mutation.field, mutation);
  }
  const fields = new Map<string, string>();
  for (const [field, mutation] of latest) if (mutation.op === 'put') fields.set(field, JSON.stringify(mutation.value));
  return fields;
}

/** The scores of a sorted set as its whole history makes them: each version of a member counts once. */
export function scoresOfHistory(projection: RedisProjection, key: string, events: readonly EventRecord[]): ReadonlyMap<string, number> {
  const counted = new Set<string>();
  const scores = new Map<string, number>();
  for (const mutation of mutationsOfHistory(projection, key, events)) {
    if (mutation.op !== 'count') continue;
    const once = `${mutation.version}:${mutation.member}`;
    if (counted.has(once)) continue;
    counted.add(once);
    scores.set(mutation.member, (scores.get(mutation.member) ?? 0) + mutation.by);
  }
  return scores;
}
