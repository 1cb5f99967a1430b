import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProjectionDefinition } from '../../core/define-projection.ts';
import { eventId, streamVersion } from '../../core/envelope.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import { utf8 } from '../../core/record.ts';
import { pipeline } from '../../pipeline.ts';
import { classifyKey } from '../../processors/scan/classification-outcome.ts';
import { scanIdOf } from '../../processors/scan/scan-id.ts';
import { characterListKey } from '../../projectors/character-list/character-list.ts';
import { consumedRecord, eventHeaders } from '../../test/support/consumed-record.ts';
import { LettersUnderTest } from '../../test/support/letters-under-test.ts';
import { aCause } from '../../test/support/bank.ts';
import { createProjector } from '../compose.ts';
import type { Database } from '../postgres/database.ts';
import { composeRehearsal } from './compose-rehearsal.ts';
import type { GroupRehearsal } from './rehearsal.ts';

let given: LettersUnderTest;
const made: GroupRehearsal[] = [];

beforeAll(async () => {
  given = await LettersUnderTest.open('rehears');
  for (const domain of ['scan', 'character', 'my']) await given.makeDatabase(domain);
});
afterAll(async () => {
  for (const rehearsal of made) rehearsal.stop();
  const { names } = given.config;
  const redis = given.connections.redis('character').client;
  const keys = await redis.keys(names.redisKey('*'));
  if (keys.length > 0) await redis.del(...keys);
  await given.connections.elasticsearch().indices.delete({ index: `${names.index('scans')}-v1`, ignore_unavailable: true });
  await given.close();
});

async function rehearsalOf(domain: string, withCalls = false): Promise<GroupRehearsal> {
  const found = pipeline.domains.find(({ name }) => name === domain);
  const queue = { group: given.config.names.processorGroup(domain), reader: { kind: 'processor', domain: found! } } as const;
  const rehearsal = await composeRehearsal(queue, { pipeline, connections: given.connections, withCalls });
  made.push(rehearsal);
  return rehearsal;
}

async function projectionOf(name: string): Promise<{ readonly projection: ProjectionDefinition; readonly rehearsal: GroupRehearsal }> {
  const projection = pipeline.projections.find((each) => each.name === name)!;
  const queue = { group: given.config.names.projectionGroup(name, 1), reader: { kind: 'projection', projection } } as const;
  const rehearsal = await composeRehearsal(queue, { pipeline, connections: given.connections, withCalls: false });
  made.push(rehearsal);
  return { projection, rehearsal };
}

function record(type: string, key: string, payload: object, streamId = key): ConsumedRecord {
  const headers = eventHeaders({ id: randomUUID(), type, streamId });
  return { ...consumedRecord({ at: 1, key }), value: utf8(JSON.stringify(payload)), headers };
}

/** Everything that a domain's database holds, as text. */
async function contentOf(database: Database, domain: string): Promise<string> {
  const tables = await database.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE nspname = $1 AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'applied_migrations' ORDER BY relname`,
    [domain],
  );
  const texts: string[] = [];
  for (const { name } of tables) {
    const [row] = await database.query<{ text: string | null }>(
      `SELECT string_agg(t::text, ';' ORDER BY t::text) AS text FROM ${domain}.${name} t`,
    );
    texts.push(`${name}: ${row?.text ?? ''}`);
  }
  return texts.join('\n');
}

describe('the rehearsal of a reaction', () => {
  const acquired = (user: string) =>
    record('CharacterAcquired', user, { user_id: user, character_id: 'c1', character_name: 'Pet', source: 'scan', source_id: null });

  it('runs in full, tells events and rows, and leaves nothing behind', async () => {
    const database = given.connections.database('my');
    const before = await contentOf(database, 'my');
    const rehearsal = await (await rehearsalOf('my')).rehearse(acquired('ada'));
    expect(rehearsal).toMatchObject({
      kind: 'acked',
      effects: {
        events: [{ type: 'ProfileUpdated', aggregateType: 'profile', aggregateId: 'ada', version: 1n, payload: { total_characters: 1 } }],
        changes: [{ op: 'upsert', table: 'users', key: { user_id: 'ada' } }],
        documents: [],
      },
    });
    expect(await contentOf(database, 'my')).toBe(before);
  });

  it('fails with the error that the group would meet', async () => {
    const rehearsal = await rehearsalOf('my');
    expect(await rehearsal.rehearse({ ...acquired('ada'), value: utf8('{"user_id":') })).toMatchObject({
      kind: 'failed',
      error: { code: 'PAYLOAD_UNREADABLE' },
    });
    expect(await rehearsal.rehearse({ ...acquired('ada'), headers: [] })).toMatchObject({
      kind: 'failed',
      error: { code: 'ENVELOPE_INVALID' },
    });
    expect(await rehearsal.rehearse(record('Nothing', 'ada', {}))).toMatchObject({ kind: 'failed', error: { code: 'EVENT_UNKNOWN' } });
    const database = given.connections.database('my');
    await database.execute(`ALTER TABLE my.users ADD CONSTRAINT no_bob CHECK (user_id <> 'bob')`);
    expect(await rehearsal.rehearse(acquired('bob'))).toMatchObject({ kind: 'failed', error: { code: 'STATE_INVALID' } });
    await database.execute('ALTER TABLE my.users DROP CONSTRAINT no_bob');
  });

  it('meets what is checked at the end of a transaction only, too', async () => {
    const unitOfWork = given.connections.unitOfWork('my');
    const database = given.connections.database('my');
    await database.execute('CREATE TABLE my.later (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)');
    const twice = { op: 'upsert', table: 'users', key: { user_id: 'x' }, set: { total_characters: 1 } } as const;
    await database.execute(
      `CREATE FUNCTION my.twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO my.later VALUES (1), (1); RETURN NULL; END $$`,
    );
    await database.execute(`CREATE TRIGGER twice AFTER INSERT ON my.users FOR EACH ROW EXECUTE FUNCTION my.twice()`);
    await expect(unitOfWork.rehearse(aCause(), (tx) => tx.change([twice]))).rejects.toMatchObject({ code: 'STATE_INVALID' });
    await database.execute('DROP TRIGGER twice ON my.users; DROP TABLE my.later');
  });

  it('makes no declared call unless it is told to, and says which one', async () => {
    const database = given.connections.database('scan');
    const before = await contentOf(database, 'scan');
    const image_id = randomUUID();
    const registered = record('ImageRegistered', 'ada', {
      image_id,
      user_id: 'ada',
      cdn_url: 'https://cdn.example/classify-as/pet-bottle/1.jpg',
    });
    expect(await (await rehearsalOf('scan')).rehearse(registered)).toEqual({ kind: 'needs-call', call: 'classify' });
    expect(await (await rehearsalOf('scan', true)).rehearse(registered)).toMatchObject({
      kind: 'acked',
      effects: { events: [{ type: 'ScanCompleted', payload: { category: 'pet-bottle' } }] },
    });
    expect(await contentOf(database, 'scan')).toBe(before);
  });

  it('of an event that was handled before is skipped, and needs no call for it', async () => {
    const image_id = randomUUID();
    await given.connections.unitOfWork('scan').run(aCause(), (tx) => tx.markProcessed(classifyKey(scanIdOf(image_id))));
    const registered = record('ImageRegistered', 'ada', { image_id, user_id: 'ada', cdn_url: 'https://cdn.example/1.jpg' });
    for (const withCalls of [false, true]) {
      expect(await (await rehearsalOf('scan', withCalls)).rehearse(registered)).toEqual({ kind: 'skipped', reason: 'duplicate' });
    }
  });
});

describe('the rehearsal of a projection', () => {
  const acquired = (user: string, character: string, version: bigint) => {
    const event = record('CharacterAcquired', user, {
      user_id: user,
      character_id: character,
      character_name: 'Pet',
      source: 'scan',
      source_id: null,
    });
    return {
      ...event,
      headers: event.headers.map(([name, value]) => [name, name === 'version' ? utf8(version.toString()) : value] as const),
    };
  };

  it('in Redis tells what it would fold, put or leave, and writes none of it', async () => {
    const user = `u${randomUUID().slice(0, 8)}`;
    const { projection, rehearsal } = await projectionOf('character-list');
    const key = given.config.names.redisKey(characterListKey(user));
    expect(await rehearsal.rehearse(acquired(user, 'c1', 1n))).toMatchObject({
      kind: 'acked',
      effects: { documents: [{ store: 'redis', id: key, change: 'folded' }] },
    });
    const redis = given.connections.redis('character').client;
    expect(await redis.exists(key)).toBe(0);

    const projector = createProjector(projection, given.connections, NO_METRICS);
    await projector.handle(eventOf(user, 'c1', 5n));
    const held = await redis.hgetall(key);
    expect(await rehearsal.rehearse(acquired(user, 'c2', 6n))).toMatchObject({
      kind: 'acked',
      effects: { documents: [{ change: 'put', id: key, part: 'c2', content: { id: 'c2', name: 'Pet' } }] },
    });
    await redis.hset(key, '_v:c3', '9');
    expect(await rehearsal.rehearse(acquired(user, 'c3', 9n))).toEqual({ kind: 'skipped', reason: 'stale-version' });
    await redis.hdel(key, '_v:c3');
    expect(await redis.hgetall(key)).toEqual(held);
  });

  it('in Elasticsearch tells the document that it would write, and writes none', async () => {
    const { projection, rehearsal } = await projectionOf('scan-history');
    await createProjector(projection, given.connections, NO_METRICS).ensure();
    const scan_id = randomUUID();
    const requested = record(
      'ScanRequested',
      'ada',
      { scan_id, user_id: 'ada', image_id: null, image_url: 'https://x/1.jpg', user_input: null },
      scan_id,
    );
    expect(await rehearsal.rehearse(requested)).toMatchObject({
      kind: 'acked',
      effects: { documents: [{ store: 'elasticsearch', id: scan_id, change: 'created', content: { scan_id, status: 'requested' } }] },
    });
    const index = `${given.config.names.index('scans')}-v1`;
    expect(await given.connections.elasticsearch().exists({ index, id: scan_id })).toBe(false);
  });
});

function eventOf(user: string, character: string, version: bigint) {
  return {
    ...{ id: eventId(randomUUID()), type: 'CharacterAcquired', aggregateType: 'user_characters', aggregateId: user, streamId: user },
    ...{ version: streamVersion(version), traceId: '0af7651916cd43dd8448eb211c80319c', occurredAt: '2026-03-01T08:59:59.000001Z' },
    ...{ requestId: undefined, traceparent: undefined, tracestate: undefined, correlationId: undefined, causationId: undefined },
    payload: { user_id: user, character_id: character, character_name: 'Pet', source: 'scan', source_id: null },
  };
}
