import type { RedisProjection } from '../../core/define-projection.ts';
import { defineProjection } from '../../core/define-projection.ts';
import { characterAcquired } from '../../schemas/catalogue.ts';
import { isoWeek, isoWeekMondayMs } from './iso-week.ts';

const DAY_MS = 86_400_000;
const KEY_PREFIX = 'character:ranking:';

/**
 * How many characters each user acquired in an ISO week, by the time of the event and the calendar of the time zone:
 * the sorted set `character:ranking:2026-W47`.
 * @throws RangeError when the time zone is unknown.
 */
export function weeklyRanking(timeZone = 'Asia/Seoul'): RedisProjection {
  isoWeek('2026-01-01T00:00:00Z', timeZone);
  return defineProjection({
    store: 'redis',
    structure: 'zset',
    name: 'weekly-ranking',
    version: 1,
    reads: [characterAcquired],
    ttlMs: undefined,
    mutations: (event) => [
      {
        op: 'count',
        key: weeklyRankingKey(isoWeek(event.occurredAt, timeZone)),
        member: event.payload.user_id,
        version: event.version,
        by: 1,
      },
    ],
    history: (key) => daysAround(isoWeekMondayMs(key.slice(KEY_PREFIX.length))),
  });
}

export function weeklyRankingKey(week: string): string {
  return `${KEY_PREFIX}${week}`;
}

/**
 * Day by day, so that one answer stays small, and a day more on both sides, because the week begins at another instant in
 * each time zone; what belongs to a neighbouring week names another key.
 */
function daysAround(mondayMs: number) {
  const day = (offset: number): string => new Date(mondayMs + offset * DAY_MS).toISOString();
  return Array.from({ length: 9 }, (_, index) => ({
    domain: 'character',
    types: [characterAcquired.type],
    aggregateType: 'user_characters',
    occurredFrom: day(index - 1),
    occurredBefore: day(index),
  }));
}
