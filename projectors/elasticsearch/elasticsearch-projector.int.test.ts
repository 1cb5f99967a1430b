import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ElasticsearchProjection } from '../../core/define-projection.ts';
import type { EventRecord } from '../../core/envelope.ts';
import type { JsonObject } from '../../core/json.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { Names } from '../../core/names.ts';
import { eagerClock } from '../../test/support/eager-clock.ts';
import { eventually } from '../../test/support/eventually.ts';
import { services, uniqueNamespace } from '../../test/support/services.ts';
import { CommittedHistory, deliveriesOf, deliveryChoices, HistoryBuilder, userHistories } from '../../test/support/user-history.ts';
import { characterOwnership, ownershipId } from '../character-ownership/character-ownership.ts';
import { scanHistory } from '../scan-history/scan-history.ts';
import type { ElasticsearchClient } from './elasticsearch-client.ts';
import { createElasticsearchClient } from './elasticsearch-client.ts';
import { createElasticsearchProjector } from './elasticsearch-projector.ts';
import { createElasticsearchReader } from './elasticsearch-reader.ts';

const names = new Names(uniqueNamespace('es'));
let client: ElasticsearchClient;

beforeAll(async () => {
  client = createElasticsearchClient({ url: services().elasticsearchUrl, requestTimeoutMs: 30_000 });
  for (const projection of [scanHistory, characterOwnership]) await projectorOf(projection).ensure();
});

afterAll(async () => {
  // The tests' other namespaces begin with this one. By name: a server may refuse to delete by pattern.
  const ours = `${names.namespace}*`;
  await client.indices.delete({ index: Object.keys(await client.indices.get({ index: ours })) });
  const templates = await client.indices.getIndexTemplate({ name: ours });
  for (const { name } of templates.index_templates) await client.indices.deleteIndexTemplate({ name });
  await client.close();
});

function projectorOf(projection: ElasticsearchProjection, history = new CommittedHistory([]), over = client, inNames = names) {
  return createElasticsearchProjector({
    projection,
    client: over,
    names: inNames,
    history,
    metrics: NO_METRICS,
    logger: SILENT_LOGGER,
    clock: eagerClock,
  });
}

async function stored(projection: ElasticsearchProjection, id: string): Promise<JsonObject | undefined> {
  const index = names.index(`${projection.alias}-v${projection.version}`);
  return (await client.get<JsonObject>({ index, id }, { ignore: [404] }))._source;
}

function newScan() {
  const user = new HistoryBuilder(`user-${randomUUID()}`);
  const ids = { scan_id: randomUUID(), user_id: user.userId };
  const events = [
    user.add('ScanRequested', { ...ids, image_id: 'image-1' }),
    user.add('ScanCompleted', { ...ids, category: 'glass', reward_eligible: true, confidence: 0.5 }),
    user.add('CharacterAcquired', {
      user_id: user.userId,
      character_id: 'c',
      character_name: 'C',
      source: 'scan',
      source_id: ids.scan_id,
    }),
  ] as const;
  return { ...ids, user, events, history: new CommittedHistory(user.events, 3) };
}

const ACKED = { kind: 'acked' };
const STALE = { kind: 'skipped', reason: 'stale-version' };

describe('a document in Elasticsearch', () => {
  it('ignores what was applied before', async () => {
    const { scan_id, events, history } = newScan();
    const projector = projectorOf(scanHistory, history);
    for (const event of events) expect(await projector.handle(event)).toEqual(ACKED);
    for (const event of events) expect(await projector.handle(event)).toEqual(STALE);
    expect(history.asked).toEqual([]);
    expect(await stored(scanHistory, scan_id)).toMatchObject({
      status: 'completed',
      reward_status: 'granted',
      _versions: { scan: '2', user_characters: '1' },
    });
  });

  it('that is missing, or misses a version, is folded from history', async () => {
    const { scan_id, events, history } = newScan();
    const projector = projectorOf(scanHistory, history);
    history.committed = 2;
    expect(await projector.handle(events[1])).toEqual(ACKED);
    expect(history.asked.map(({ domain }) => domain)).toEqual(['scan', 'character']);
    expect(await stored(scanHistory, scan_id)).toMatchObject({ image_id: 'image-1', category: 'glass', reward_status: 'pending' });
    expect(await projector.handle(events[0])).toEqual(STALE);
  });

  it('stays as a tombstone that wins over a late older acquisition', async () => {
    const user = new HistoryBuilder(`user-${randomUUID()}`, 9_007_199_254_740_991n);
    const acquired = user.add('CharacterAcquired', { user_id: user.userId, character_id: 'a', character_name: 'A', source: 'event' });
    const lost = user.add('CharacterLost', { user_id: user.userId, character_id: 'a', reason: 'traded' });
    const projector = projectorOf(characterOwnership, new CommittedHistory([lost], 1));
    expect(await projector.handle(lost)).toEqual(ACKED);
    expect(await projector.handle(acquired)).toEqual(ACKED);
    expect(await stored(characterOwnership, ownershipId(user.userId, 'a'))).toMatchObject({
      owned: false,
      character_name: 'A',
      lost_version: '9007199254740993',
      acquired_version: '9007199254740992',
      _versions: { lost: '9007199254740993', acquired: '9007199254740992' },
    });
  });

  it('converges when projectors race on it', async () => {
    const user = new HistoryBuilder(`user-${randomUUID()}`);
    const ids = Array.from({ length: 10 }, () => ({ scan_id: randomUUID(), user_id: user.userId }));
    for (const scan of ids) {
      user.add('ScanRequested', { ...scan, image_id: 'image' });
      user.add('ScanCompleted', { ...scan, category: 'can', reward_eligible: true });
      user.add('ScanRewardCompensated', { ...scan, reason: 'already_owned' });
    }
    const history = new CommittedHistory(user.events, user.events.length);
    const projectors = Array.from({ length: 4 }, () => projectorOf(scanHistory, history));
    const results = await Promise.all(projectors.flatMap((projector) => user.events.map((event) => projector.handle(event))));
    expect(results.filter(({ kind }) => kind === 'failed')).toEqual([]);
    expect(results.filter(({ kind }) => kind === 'acked').length).toBeGreaterThanOrEqual(user.events.length);
    for (const { scan_id } of ids) {
      expect(await stored(scanHistory, scan_id)).toMatchObject({ status: 'completed', reward_status: 'failed', _versions: { scan: '3' } });
    }
  });
});

describe('a record that Elasticsearch refuses', () => {
  const faulty: ElasticsearchProjection = {
    ...scanHistory,
    fold: (document, event, id) => ({
      ...scanHistory.fold(document, event, id),
      ...((event.payload as JsonObject)['category'] === 'poison' ? { unknown_field: 1 } : {}),
    }),
  };

  it('is alone with its fault among the records of its batch', async () => {
    const [poisoned, sound] = [newScan(), newScan()];
    const poison: EventRecord = { ...poisoned.events[1], payload: { ...poisoned.events[1].payload, category: 'poison' } };
    const projector = projectorOf(faulty, poisoned.history);
    const results = await Promise.all([poisoned.events[0], poison, ...sound.events].map((event) => projector.handle(event)));
    expect(results).toMatchObject([
      { kind: 'acked' },
      { kind: 'failed', error: { code: 'DOCUMENT_INVALID', message: expect.stringContaining('strict_dynamic_mapping_exception') } },
      { kind: 'acked' },
      { kind: 'acked' },
      { kind: 'acked' },
    ]);
    expect(await stored(scanHistory, poisoned.scan_id)).toMatchObject({ status: 'requested', _versions: { scan: '1' } });
  });

  it('does not take the request down with an id that no document can have', async () => {
    const [tooLong, sound] = [newScan(), newScan()];
    const event = { ...tooLong.events[0], payload: { ...tooLong.events[0].payload, scan_id: 'é'.repeat(300) } };
    const projector = projectorOf(scanHistory);
    expect(await Promise.all([projector.handle(event), projector.handle(sound.events[0])])).toMatchObject([
      { kind: 'failed', error: { code: 'DOCUMENT_INVALID' } },
      { kind: 'acked' },
    ]);
  });
});

describe('an Elasticsearch that cannot take writes', () => {
  const OUTAGE = { kind: 'failed', error: { code: 'ELASTICSEARCH_UNAVAILABLE', disposition: 'outage' } };

  it('because it is away has an outage, at once', async () => {
    const away = createElasticsearchClient({ url: 'http://127.0.0.1:1' });
    const started = performance.now();
    expect(await projectorOf(scanHistory, undefined, away).handle(newScan().events[0])).toMatchObject(OUTAGE);
    expect(performance.now() - started).toBeLessThan(1_000);
    await expect(createElasticsearchReader({ client: away, names }).scan('any')).rejects.toMatchObject({
      code: 'ELASTICSEARCH_UNAVAILABLE',
    });
    await away.close();
  });

  it('because the index is missing has an outage, and makes no index by itself', async () => {
    const elsewhere = new Names(`${names.namespace}b`);
    const projector = projectorOf(scanHistory, undefined, client, elsewhere);
    expect(await projector.handle(newScan().events[0])).toMatchObject(OUTAGE);
    expect(await client.indices.exists({ index: elsewhere.index('scans-v1') })).toBe(false);
    expect(await projector.ensure()).toHaveLength(3);
    expect(await projector.handle(newScan().events[0])).toEqual(ACKED);
  });

  it('because it is blocked has an outage, and goes on when the block is gone', async () => {
    const elsewhere = new Names(`${names.namespace}c`);
    const projector = projectorOf(scanHistory, undefined, client, elsewhere);
    await projector.ensure();
    const index = elsewhere.index('scans-v1');
    await client.indices.putSettings({ index, settings: { 'index.blocks.read_only_allow_delete': true } });
    const { events } = newScan();
    expect(await projector.handle(events[0])).toMatchObject(OUTAGE);
    await client.indices.putSettings({ index, settings: { 'index.blocks.read_only_allow_delete': null } });
    expect(await projector.handle(events[0])).toEqual(ACKED);
  });
});

describe('ensure', () => {
  it('makes template, index and alias once, and says so', async () => {
    const fresh = new Names(`${names.namespace}d`);
    const projector = projectorOf(scanHistory, undefined, client, fresh);
    expect(await projector.ensure()).toEqual([
      `index template ${fresh.index('scans')} created`,
      `index ${fresh.index('scans-v1')} created`,
      `alias ${fresh.index('scans')} → ${fresh.index('scans-v1')}`,
    ]);
    expect(await projector.ensure()).toEqual([]);
  });

  it('adds a field to an index that holds documents, and refuses to change one', async () => {
    const fresh = new Names(`${names.namespace}e`);
    await projectorOf(scanHistory, undefined, client, fresh).ensure();
    const more = { ...scanHistory, mapping: { ...scanHistory.mapping, note: { type: 'keyword' } } };
    expect(await projectorOf(more, undefined, client, fresh).ensure()).toEqual([
      `index template ${fresh.index('scans')} updated`,
      `mapping of ${fresh.index('scans-v1')} updated`,
    ]);
    expect(await projectorOf(more, undefined, client, fresh).ensure()).toEqual([]);
    const changed = { ...more, mapping: { ...more.mapping, note: { type: 'long' } } };
    await expect(projectorOf(changed, undefined, client, fresh).ensure()).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
  });

  it('leaves an alias alone that serves another version', async () => {
    const fresh = new Names(`${names.namespace}f`);
    await projectorOf(scanHistory, undefined, client, fresh).ensure();
    await projectorOf({ ...scanHistory, version: 2 }, undefined, client, fresh).ensure();
    const aliases = await client.indices.getAlias({ name: fresh.index('scans') });
    expect(Object.keys(aliases)).toEqual([fresh.index('scans-v1')]);
  });
});

describe('searching scans', () => {
  it('pages through one user in order, by date and category, finished ones only', async () => {
    const user = new HistoryBuilder(`user-${randomUUID()}`);
    const completions: EventRecord[] = [];
    for (let index = 0; index < 7; index += 1) {
      const ids = { scan_id: `${user.userId}-${index}`, user_id: user.userId };
      user.add('ScanRequested', { ...ids, image_id: 'image' });
      // The first six have the same time; the last one is not finished.
      if (index < 6)
        completions.push(user.add('ScanCompleted', { ...ids, category: index % 2 === 0 ? 'glass' : 'can', reward_eligible: false }));
    }
    const at = '2026-11-21T09:00:00.123456Z';
    const events = user.events.map((event) => (event.type === 'ScanCompleted' ? { ...event, occurredAt: at } : event));
    const projector = projectorOf(scanHistory);
    const other = newScan();
    for (const event of [...events, ...other.events]) expect(await projector.handle(event)).toEqual(ACKED);

    const reader = createElasticsearchReader({ client, names });
    const search = (filter: object) => reader.scansOf(user.userId, { limit: 10, ...filter });
    await eventually(async () => (await search({})).scans.length === 6);
    const suffixes = ({ scans }: { scans: readonly { readonly scan_id: string }[] }) => scans.map(({ scan_id }) => Number(scan_id.at(-1)));

    expect(suffixes(await search({}))).toEqual([5, 4, 3, 2, 1, 0]);
    const first = await search({ limit: 4 });
    expect({ page: suffixes(first), more: first.more }).toEqual({ page: [5, 4, 3, 2], more: true });
    const last = first.scans[3]!;
    const second = await search({ limit: 4, after: { completedAt: last.completed_at, scanId: last.scan_id } });
    expect({ page: suffixes(second), more: second.more }).toEqual({ page: [1, 0], more: false });
    expect(suffixes(await search({ category: 'glass' }))).toEqual([4, 2, 0]);
    expect(suffixes(await search({ from: '2026-11-21T09:00:00Z', before: '2026-11-21T09:00:01Z' }))).toHaveLength(6);
    expect(suffixes(await search({ before: '2026-11-21T09:00:00Z' }))).toEqual([]);
    expect(suffixes(await search({ from: '2026-11-21T09:00:01Z' }))).toEqual([]);
    expect(first.scans[0]).not.toHaveProperty('_versions');
    const since = { before: '2026-11-21T00:00:00Z', exactly: '2026-11-21T09:00:00.123Z', after: '2026-11-21T09:00:01Z' };
    expect(await reader.scanCounts(user.userId, since)).toEqual({ before: 6, exactly: 6, after: 0 });
    expect(await reader.scanCounts('nobody', since)).toEqual({ before: 0, exactly: 0, after: 0 });

    expect(await reader.scan(`${user.userId}-6`)).toMatchObject({ status: 'requested', completed_at: null });
    expect(await reader.scan('nowhere')).toBeUndefined();
  });
});

describe('read models in a real Elasticsearch', () => {
  it.each([scanHistory, characterOwnership])('$name equals the fold of the history in every order of delivery', async (projection) => {
    await fc.assert(
      fc.asyncProperty(
        fc.constant(randomUUID()).chain((id) => userHistories(`user-${id}`)),
        deliveryChoices,
        async (history, choices) => {
          const { userId, events } = renamed(history.events);
          const store = new CommittedHistory(events);
          const projectors = [projectorOf(projection, store), projectorOf(projection, store)] as const;
          const wanted = new Set(projection.reads.map((event) => event.type));
          for (const delivery of deliveriesOf({ userId, events }, wanted, choices)) {
            store.committed = delivery.committed;
            const results = await Promise.all(delivery.events.map((event, index) => projectors[index % 2 === 0 ? 0 : 1].handle(event)));
            expect(results.filter(({ kind }) => kind === 'failed')).toEqual([]);
          }
          for (const [id, expected] of inCommitOrder(projection, events)) {
            const { _versions: _, ...actual } = (await stored(projection, id)) ?? {};
            expect(JSON.stringify(actual)).toBe(JSON.stringify(expected));
          }
        },
      ),
      { numRuns: 15 },
    );
  });
});

/** Each run, shrunk ones included, is about a user of its own. */
function renamed(events: readonly EventRecord[]): { readonly userId: string; readonly events: readonly EventRecord[] } {
  const before = events[0]!.aggregateId;
  const userId = `user-${randomUUID()}`;
  const text = JSON.stringify(events, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
  const after = JSON.parse(text.replaceAll(before, userId)) as (Omit<EventRecord, 'version'> & { readonly version: string })[];
  return { userId, events: after.map((event) => ({ ...event, version: BigInt(event.version) as EventRecord['version'] })) };
}

function inCommitOrder(projection: ElasticsearchProjection, events: readonly EventRecord[]): Map<string, JsonObject> {
  const documents = new Map<string, JsonObject>();
  const wanted = new Set(projection.reads.map((event) => event.type));
  for (const event of events.filter(({ type }) => wanted.has(type))) {
    for (const id of projection.documentIds(event)) documents.set(id, projection.fold(documents.get(id), event, id));
  }
  return documents;
}
