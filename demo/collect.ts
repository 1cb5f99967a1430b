import { classified } from '../core/errors.ts';
import type { Names } from '../core/names.ts';
import { createRedisReader } from '../projectors/redis/redis-reader.ts';
import { isoWeek } from '../projectors/weekly-ranking/iso-week.ts';
import { weeklyRanking } from '../projectors/weekly-ranking/weekly-ranking.ts';
import type { Connections } from '../runtime/connections.ts';
import type { DemoState, ObservedScan } from './verify.ts';

const PAGE = 5_000;
const WEEK_MS = 7 * 86_400_000;

/** Reads everything that the stores hold of the run's users: the write side by SQL, the read models from their own stores. */
export async function collectState(connections: Connections, users: readonly string[], prefix: string): Promise<DemoState> {
  const like = `${prefix}%`;
  const [images, scanRecords, ownerships, profiles, deliveries, redis, scanDocuments, ownershipDocuments] = await Promise.all([
    readImages(connections, like),
    readScanRecords(connections, like),
    readOwnerships(connections, like),
    readProfiles(connections, like),
    readDeliveries(connections, like),
    readRedis(connections, users),
    readScanDocuments(connections, prefix),
    readOwnershipDocuments(connections, prefix),
  ]);
  return { images, scanRecords, ownerships, profiles, deliveries, ...redis, scanDocuments, ownershipDocuments };
}

async function readImages(connections: Connections, like: string): Promise<DemoState['images']> {
  const rows = await connections
    .database('image')
    .query<{ image_id: string; user_id: string; cdn_url: string; status: string }>(
      'SELECT image_id, user_id, cdn_url, status FROM image.images WHERE user_id LIKE $1',
      [like],
    );
  return new Map(rows.map((row) => [row.image_id, { userId: row.user_id, cdnUrl: row.cdn_url, status: row.status }]));
}

interface ScanRecordRow {
  readonly scan_id: string;
  readonly user_id: string;
  readonly status: string;
  readonly category: string | null;
  readonly reward_eligible: boolean;
  readonly reward_status: string;
  readonly failure_reason: string | null;
}

async function readScanRecords(connections: Connections, like: string): Promise<DemoState['scanRecords']> {
  const rows = await connections
    .database('scan')
    .query<ScanRecordRow>(
      'SELECT scan_id, user_id, status, category, reward_eligible, reward_status, failure_reason FROM scan.scan_records WHERE user_id LIKE $1',
      [like],
    );
  return new Map(
    rows.map((row): [string, ObservedScan] => [
      row.scan_id,
      {
        userId: row.user_id,
        status: row.status,
        category: row.category,
        rewardEligible: row.reward_eligible,
        rewardStatus: row.reward_status,
        // One column holds both reasons: of a scan that failed it is not the reward's.
        rewardFailureReason: row.status === 'failed' ? null : row.failure_reason,
      },
    ]),
  );
}

async function readOwnerships(connections: Connections, like: string): Promise<DemoState['ownerships']> {
  const rows = await connections
    .database('character')
    .query<{ user_id: string; character_id: string }>(
      "SELECT user_id, character_id FROM character.character_ownerships WHERE status = 'owned' AND user_id LIKE $1",
      [like],
    );
  const byUser = new Map<string, string[]>();
  for (const row of rows) byUser.set(row.user_id, [...(byUser.get(row.user_id) ?? []), row.character_id]);
  return byUser;
}

async function readProfiles(connections: Connections, like: string): Promise<DemoState['profiles']> {
  const rows = await connections
    .database('my')
    .query<{ user_id: string; total_characters: number | bigint }>('SELECT user_id, total_characters FROM my.users WHERE user_id LIKE $1', [
      like,
    ]);
  return new Map(rows.map((row) => [row.user_id, Number(row.total_characters)]));
}

async function readDeliveries(connections: Connections, like: string): Promise<DemoState['deliveries']> {
  const rows = await connections
    .database('notification')
    .query<{ user_id: string; kind: string; number: bigint }>(
      'SELECT user_id, kind, count(*) AS number FROM notification.deliveries WHERE user_id LIKE $1 GROUP BY user_id, kind',
      [like],
    );
  return new Map(rows.map((row) => [`${row.user_id}:${row.kind}`, Number(row.number)]));
}

async function readRedis(connections: Connections, users: readonly string[]): Promise<Pick<DemoState, 'characterLists' | 'ranking'>> {
  const { names, timeZone } = connections.config;
  const reader = createRedisReader({ redis: connections.redis('character').client, names, weeklyRanking: weeklyRanking(timeZone) });
  const characterLists = new Map<string, Map<string, { name: string; source: string }>>();
  for (const user of users) {
    const list = await reader.characterList(user);
    if (list !== undefined)
      characterLists.set(user, new Map(list.map((entry) => [entry.id, { name: entry.name ?? '', source: entry.source }])));
  }
  const ranking = new Map<string, number>();
  // A run may cross the end of a week.
  const weeks = new Set([Date.now() - WEEK_MS, Date.now()].map((ms) => isoWeek(new Date(ms).toISOString(), timeZone)));
  for (const week of weeks) {
    for (const entry of (await reader.weeklyRanking(week, 10_000_000)) ?? []) {
      ranking.set(entry.user_id, (ranking.get(entry.user_id) ?? 0) + entry.count);
    }
  }
  return { characterLists, ranking };
}

async function readScanDocuments(connections: Connections, prefix: string): Promise<DemoState['scanDocuments']> {
  const documents = new Map<string, ObservedScan & { imageId: string; traceId: string }>();
  for await (const source of search(connections, connections.config.names, 'scans', prefix, 'scan_id')) {
    documents.set(text(source['scan_id']), {
      userId: text(source['user_id']),
      status: text(source['status']),
      category: nullable(source['category']),
      rewardEligible: source['reward_eligible'] === true,
      rewardStatus: text(source['reward_status']),
      rewardFailureReason: nullable(source['reward_failure_reason']),
      imageId: text(source['image_id']),
      traceId: text(source['trace_id']),
    });
  }
  return documents;
}

async function readOwnershipDocuments(connections: Connections, prefix: string): Promise<DemoState['ownershipDocuments']> {
  const documents = new Map<string, { name: string; sourceId: string | null }>();
  for await (const source of search(connections, connections.config.names, 'characters-ownership', prefix, 'source_id')) {
    if (source['owned'] !== true) continue;
    documents.set(`${text(source['user_id'])}:${text(source['character_id'])}`, {
      name: text(source['character_name']),
      sourceId: nullable(source['source_id']),
    });
  }
  return documents;
}

async function* search(
  connections: Connections,
  names: Names,
  alias: string,
  prefix: string,
  sort: string,
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const client = connections.elasticsearch();
  const index = names.index(alias);
  await answered(client.indices.refresh({ index }));
  let after: (string | number)[] | undefined;
  for (;;) {
    const page = await answered(
      client.search<Record<string, unknown>>({
        index,
        size: PAGE,
        query: { prefix: { user_id: prefix } },
        sort: [{ [sort]: 'asc' }],
        ...(after === undefined ? {} : { search_after: after }),
      }),
    );
    for (const hit of page.hits.hits) if (hit._source !== undefined) yield hit._source;
    const last = page.hits.hits.at(-1)?.sort as (string | number)[] | undefined;
    if (page.hits.hits.length < PAGE || last === undefined) return;
    after = last;
  }
}

async function answered<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    throw classified(error, 'ELASTICSEARCH_UNAVAILABLE', 'Elasticsearch does not answer');
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function nullable(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
