import type { EventRecord } from '../core/envelope.ts';
import type { Clock } from '../core/clock.ts';
import type { RedisProjection } from '../core/define-projection.ts';
import type { Metrics } from '../core/metrics.ts';
import { characterList, characterListKey } from '../projectors/character-list/character-list.ts';
import type { CharacterListEntry } from '../projectors/character-list/character-list.ts';
import { createElasticsearchReader } from '../projectors/elasticsearch/elasticsearch-reader.ts';
import { characterListOf, createRedisReader, weeklyRankingOf } from '../projectors/redis/redis-reader.ts';
import type { RankedUser } from '../projectors/redis/redis-reader.ts';
import type { ScanDocument } from '../projectors/scan-history/scan-history.ts';
import { isoWeek } from '../projectors/weekly-ranking/iso-week.ts';
import { weeklyRanking, weeklyRankingKey } from '../projectors/weekly-ranking/weekly-ranking.ts';
import type { Connections } from '../runtime/connections.ts';
import type { CatalogueRow } from '../runtime/postgres/read-characters.ts';
import { readCharacter, searchCharacters } from '../runtime/postgres/read-characters.ts';
import { readConversation, readConversations, readMessages } from '../runtime/postgres/read-conversations.ts';
import { readRecentImages } from '../runtime/postgres/read-images.ts';
import { readProfile, searchProfiles } from '../runtime/postgres/read-profiles.ts';
import type { ScanRow } from '../runtime/postgres/read-scans.ts';
import { countScans, readScan, readScanTask, readScans } from '../runtime/postgres/read-scans.ts';
import { eventsOf } from './events-of.ts';
import type { CatalogueCharacter, FinishedScan, OwnedCharacter, Queries, Read, Scan } from './query-ports.ts';
import { createReadWithFallback } from './read-with-fallback.ts';

/** What a read found, and the events from which the read model can be filled when it came from the write side. */
interface Folded<T> {
  readonly found: T;
  readonly events: readonly EventRecord[];
}

/** The API's queries: read models first, the write side on a miss or an outage, which then fills the read model. */
export function composeQueries(connections: Connections, metrics: Metrics, clock: Clock): Queries {
  const { config, logger } = connections;
  const read = createReadWithFallback({ metrics, logger });
  const ranking = weeklyRanking(config.timeZone);
  const redis = createRedisReader({ redis: connections.redis('character').client, names: config.names, weeklyRanking: ranking });
  const elasticsearch = createElasticsearchReader({ client: connections.elasticsearch(), names: config.names });
  const scans = connections.database('scan');
  const chat = connections.database('chat');
  const profiles = connections.database('my');
  const images = connections.database('image');
  const characters = connections.database('character');
  const history = (projection: RedisProjection, key: string): Promise<readonly EventRecord[]> =>
    eventsOf(connections.history(), projection.history(key));

  return {
    async ownedCharacters(userId) {
      const answer = await read<Folded<readonly CharacterListEntry[]>>({
        query: 'characters',
        key: userId,
        readModel: async () => folded(await redis.characterList(userId)),
        writeDatabase: async () => {
          const events = await history(characterList, characterListKey(userId));
          return { found: characterListOf(userId, events), events };
        },
        fill: async ({ events }) => redis.fillCharacterList(userId, events),
      });
      return mapped(answer, ({ found }) => found.map(ownedCharacter));
    },

    async weeklyRanking({ week: wanted, limit }) {
      const week = wanted ?? isoWeek(new Date(clock.nowMs()).toISOString(), config.timeZone);
      const answer = await read<Folded<readonly RankedUser[]>>({
        query: 'ranking',
        key: `${week} ${limit}`,
        readModel: async () => folded(await redis.weeklyRanking(week, limit)),
        writeDatabase: async () => {
          const events = await history(ranking, weeklyRankingKey(week));
          return { found: weeklyRankingOf(ranking, week, events, limit), events };
        },
        // Anybody may ask for any week: one in which nothing happened leaves no key behind.
        fill: async ({ events }) => (events.length === 0 ? undefined : redis.fillWeeklyRanking(week, events)),
      });
      return mapped(answer, ({ found }) => ({ week, entries: found }));
    },

    async scansOf(userId, query) {
      return read({
        query: 'scans',
        readModel: async () => {
          const page = await elasticsearch.scansOf(userId, query);
          return { scans: page.scans.map(scanOfDocument).filter(isFinished), more: page.more };
        },
        writeDatabase: async () => {
          const rows = await readScans(scans, userId, query);
          return { scans: rows.slice(0, query.limit).map(scanOfRow).filter(isFinished), more: rows.length > query.limit };
        },
      });
    },

    async scan(userId, scanId) {
      const answer = await read<{ readonly scan: Scan | undefined }>({
        query: 'scan',
        readModel: async () => {
          const document = await elasticsearch.scan(scanId);
          if (document === undefined) return undefined;
          return { scan: document.user_id === userId ? scanOfDocument(document) : undefined };
        },
        writeDatabase: async () => {
          const row = await readScan(scans, userId, scanId);
          return { scan: row === undefined ? undefined : scanOfRow(row) };
        },
      });
      return mapped(answer, ({ scan }) => scan);
    },

    async scanStats(userId, { today, week, month }) {
      const since = { today, week, month };
      return read({
        query: 'scan-stats',
        readModel: () => elasticsearch.scanCounts(userId, since),
        writeDatabase: () => countScans(scans, userId, since),
      });
    },

    async character(characterId) {
      const row = await readCharacter(characters, characterId);
      return { data: row === undefined ? undefined : catalogueCharacter(row), source: 'write-database' };
    },

    async searchCharacters(text, limit) {
      return { data: (await searchCharacters(characters, text, limit)).map(catalogueCharacter), source: 'write-database' };
    },

    async scanTask(userId, taskId) {
      return { data: await readScanTask(scans, userId, taskId), source: 'write-database' };
    },

    async profile(userId) {
      return { data: withLastCharacter(await readProfile(profiles, userId)), source: 'write-database' };
    },

    async searchProfiles(text, limit) {
      return { data: (await searchProfiles(profiles, text, limit)).map(withLastCharacter), source: 'write-database' };
    },

    async recentImages(userId, limit) {
      return { data: await readRecentImages(images, userId, limit), source: 'write-database' };
    },

    async conversationsOf(userId, page) {
      const rows = await readConversations(chat, userId, page);
      return { data: { conversations: rows.slice(0, page.limit), more: rows.length > page.limit }, source: 'write-database' };
    },

    async conversation(userId, sessionId, page) {
      const conversation = await readConversation(chat, userId, sessionId);
      if (conversation === undefined) return { data: undefined, source: 'write-database' };
      const rows = await readMessages(chat, sessionId, page);
      return { data: { ...conversation, messages: rows.slice(0, page.limit), more: rows.length > page.limit }, source: 'write-database' };
    },
  };
}

function folded<T>(found: T | undefined): Folded<T> | undefined {
  return found === undefined ? undefined : { found, events: [] };
}

function mapped<T, U>(answer: Read<T>, map: (data: T) => U): Read<U> {
  return { data: map(answer.data), source: answer.source };
}

function ownedCharacter(entry: CharacterListEntry): OwnedCharacter {
  return { id: entry.id, name: entry.name, acquired_at: entry.acquired_at, source: entry.source };
}

interface LastCharacter {
  readonly last_character_id: string | null;
  readonly last_character_name: string | null;
}

function withLastCharacter<T extends LastCharacter>({ last_character_id: id, last_character_name: name, ...profile }: T) {
  return { ...profile, last_character: id === null ? null : { id, name } };
}

function catalogueCharacter({ character_id: id, ...character }: CatalogueRow): CatalogueCharacter {
  return { id, ...character };
}

function scanOfDocument(document: ScanDocument): Scan {
  const { scan_id, image_id, status, category, confidence, reward_eligible, reward_status, completed_at } = document;
  const failure_reason = document.failure_reason ?? document.reward_failure_reason;
  return { scan_id, image_id, status, category, confidence, reward_eligible, reward_status, failure_reason, completed_at };
}

function scanOfRow({ user_id: _, ...scan }: ScanRow): Scan {
  return scan;
}

function isFinished(scan: Scan): scan is FinishedScan {
  return scan.completed_at !== null;
}
