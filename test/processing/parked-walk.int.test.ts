import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { dltCommand } from '../../cli/dlt-command.ts';
import { parkedCommand } from '../../cli/parked-command.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import type { RecordToPark } from '../../core/parked-records.ts';
import type { ProducerRecord } from '../../core/record.ts';
import { utf8 } from '../../core/record.ts';
import { pipeline } from '../../pipeline.ts';
import { composeRoles } from '../../runtime/compose.ts';
import { Connections } from '../../runtime/connections.ts';
import { Lifecycle } from '../../runtime/lifecycle.ts';
import { findParkedOrphans } from '../../runtime/parked-orphans.ts';
import type { Database } from '../../runtime/postgres/database.ts';
import { createParkedRecords } from '../../runtime/postgres/parked-records.ts';
import { consumedRecord, eventHeaders } from '../support/consumed-record.ts';
import { eventually } from '../support/eventually.ts';
import { LettersUnderTest } from '../support/letters-under-test.ts';
import { printedJson } from '../support/printed-json.ts';

/** What an operator does with records that wait, with the command line over a group that runs and whose table is broken for some users. */
let given: LettersUnderTest;
let group: Lifecycle;
let my: Database;
let folder: string;
let serial = 0;

beforeAll(async () => {
  // Who fails waits for an hour, unless somebody says otherwise.
  given = await LettersUnderTest.open('parked', { RETRY_DELAYS_MS: '3600000,3600000' });
  for (const { name } of pipeline.domains) await given.makeDatabase(name);
  await given.makeTopics();
  my = given.connections.database('my');
  await my.execute('CREATE TABLE my.broken (user_id text PRIMARY KEY)');
  await my.execute(
    `CREATE FUNCTION my.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF EXISTS (SELECT FROM my.broken AS b WHERE b.user_id = NEW.user_id) THEN RAISE EXCEPTION 'broken' USING ERRCODE = 'F0000'; END IF;
       RETURN NEW; END $$`,
  );
  await my.execute('CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON my.users FOR EACH ROW EXECUTE FUNCTION my.refuse()');
  folder = await mkdtemp(join(tmpdir(), 'millrace-parked-'));
  await writeFile(join(folder, 'settings.json'), JSON.stringify(given.environment));
  vi.stubEnv('MILLRACE_CONFIG_FILE', join(folder, 'settings.json'));
  const connections = new Connections(pipeline, given.config, SILENT_LOGGER, 'parked-test');
  const roles = { api: false, flows: false, relays: [], processors: ['my'], projectors: [] };
  const parts = composeRoles(roles, { pipeline, connections, metrics: NO_METRICS, onFatal: () => expect.fail('the group gave up') });
  group = new Lifecycle([...connections.services(), ...parts], SILENT_LOGGER);
  await group.start(new AbortController().signal);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await group.stop(5_000);
  await given.close();
  await rm(folder, { recursive: true });
});

const traceOf = (n: number): string => n.toString(16).padStart(32, 'a');

/** The n-th character of the user. */
function acquired(user: string, n: number): ProducerRecord {
  serial += 1;
  const id = `00000000-0000-4000-8000-${serial.toString(16).padStart(12, '0')}`;
  const payload = { user_id: user, character_id: `c${n}`, character_name: `character ${n}`, source: 'scan', source_id: null };
  const headers = eventHeaders({ id, type: 'CharacterAcquired', streamId: user }).map(
    ([name, value]) => [name, name === 'trace_id' ? utf8(traceOf(n)) : value] as const,
  );
  return { topic: given.queue.source, key: utf8(user), value: utf8(JSON.stringify(payload)), headers };
}

/** What the group has made of the user's characters, in the order in which it did. */
async function counted(user: string): Promise<readonly string[]> {
  const rows = await my.query<{ character: string }>(
    `SELECT payload ->> 'last_character_id' AS character FROM my.events WHERE aggregate_id = $1 ORDER BY sequence_number`,
    [user],
  );
  return rows.map(({ character }) => character);
}

async function waiting(user: string): Promise<number> {
  const [row] = await my.query<{ rows: bigint }>(
    `SELECT count(*) AS rows FROM my.parked_records WHERE record_key = convert_to($1, 'UTF8')`,
    [user],
  );
  return Number(row?.rows);
}

/** Records of a user whose table refuses them, and that wait. */
async function makeWaiting(user: string, count: number): Promise<void> {
  await my.execute('INSERT INTO my.broken VALUES ($1)', [user]);
  await given.send(Array.from({ length: count }, (_, n) => acquired(user, n + 1)));
  await eventually(async () => (await waiting(user)) === count, { timeoutMs: 30_000 });
}
const mend = (user: string) => my.execute('DELETE FROM my.broken WHERE user_id = $1', [user]);

/** What the command prints, a JSON object a line. */
const parked = async (...words: string[]) => printedJson(parkedCommand(), words);

async function listed(...words: string[]): Promise<number> {
  const [found] = await parked('list', ...words);
  return Number(found?.['records']);
}

async function audit(key: string): Promise<readonly object[]> {
  return given.connections.platform().query(
    `SELECT action, actor, detail, error_code FROM millrace.dead_letter_audit WHERE event_id IN
       (SELECT unnest($1::text[])) ORDER BY audit_id`,
    [eventIds.get(key) ?? []],
  );
}
const eventIds = new Map<string, readonly string[]>();
async function rememberIds(user: string): Promise<void> {
  const rows = await my.query<{ event_id: string }>(
    `SELECT event_id FROM my.parked_records WHERE record_key = convert_to($1, 'UTF8') ORDER BY seq`,
    [user],
  );
  eventIds.set(
    user,
    rows.map(({ event_id }) => event_id),
  );
}

describe('a record that waits', { timeout: 120_000 }, () => {
  it('is found by error, key, age, trace, type and group, is rehearsed, and has its effect once when it is retried', async () => {
    await makeWaiting('ann', 2);
    await rememberIds('ann');
    await given.send([acquired('carl', 1)]);
    await eventually(async () => (await counted('carl')).length === 1, { timeoutMs: 20_000 });
    const { group: name } = given.queue;
    expect(await listed('--group', name)).toBe(2);
    expect(await listed('--key', 'ann', '--group', name)).toBe(2);
    expect(await listed('--code', 'UNCLASSIFIED', '--key', 'ann')).toBe(2);
    expect(await listed('--error', 'CALL_FAILED')).toBe(0);
    expect(await listed('--trace', traceOf(2))).toBe(1);
    expect(await listed('--type', 'CharacterAcquired', '--older-than', '0s')).toBe(2);
    expect(await listed('--type', 'CharacterLost')).toBe(0);
    expect(await listed('--older-than', '1h')).toBe(0);

    const failing = await parked('retry', '--key', 'ann');
    expect(failing).toMatchObject([
      { record: { key: 'ann', attempts: 1, first_of_key: true }, result: 'failed', error_code: 'UNCLASSIFIED' },
    ]);
    await mend('ann');
    const rehearsed = await parked('retry', '--key', 'ann');
    expect(rehearsed).toMatchObject([
      { result: 'acked', events: [{ type: 'ProfileUpdated', aggregate_id: 'ann' }], changes: [{ op: 'upsert', table: 'users' }] },
    ]);
    expect(JSON.stringify(rehearsed)).not.toContain('character 1');
    expect(JSON.stringify(await parked('retry', '--key', 'ann', '--payloads'))).toContain('c1');
    // A rehearsal leaves nothing: no event, no audit, and what waits waits as it did.
    expect(await counted('ann')).toEqual([]);
    expect(await audit('ann')).toEqual([]);
    expect(await parked('list', '--key', 'ann')).toMatchObject([{ shown: [{ attempts: 1 }, { attempts: 0 }] }]);

    expect(await parked('retry', '--key', 'ann', '--apply', '--actor', 'olga', '--reason', 'mended')).toEqual([
      { action: 'retry', applied: true, records: 1, refused: 0, interrupted: false, failed: [] },
    ]);
    await eventually(async () => (await waiting('ann')) === 0, { timeoutMs: 30_000 });
    expect(await counted('ann')).toEqual(['c1', 'c2']);
    expect(await audit('ann')).toEqual([{ action: 'parked-retry', actor: 'olga', detail: 'mended', error_code: 'UNCLASSIFIED' }]);
    expect(await parked('retry', '--key', 'ann', '--apply')).toMatchObject([{ records: 0 }]);
  });

  it('is gone when it is discarded, which the audit tells, and what waits behind it is handled', async () => {
    await makeWaiting('bob', 3);
    await rememberIds('bob');
    expect(await parked('discard', '--trace', traceOf(1), '--key', 'bob')).toMatchObject([
      { applied: false, records: 1, shown: [{ key: 'bob', first_of_key: true }] },
    ]);
    expect(await waiting('bob')).toBe(3);
    await mend('bob');
    expect(
      await parked('discard', '--trace', traceOf(1), '--key', 'bob', '--apply', '--actor', 'otto', '--reason', 'test data'),
    ).toMatchObject([{ applied: true, records: 1 }]);
    await eventually(async () => (await waiting('bob')) === 0, { timeoutMs: 30_000 });
    expect(await counted('bob')).toEqual(['c2', 'c3']);
    expect(await audit('bob')).toEqual([{ action: 'parked-discard', actor: 'otto', detail: 'test data', error_code: 'UNCLASSIFIED' }]);
  });

  it('is not retried, but counted and named, when its event is older than the inbox remembers, unless a double effect is accepted', async () => {
    await makeWaiting('dora', 1);
    await mend('dora');
    const [before] = await my.query<{ at: string }>('SELECT forgotten_to::text AS at FROM my.inbox_horizon');
    await my.execute('UPDATE my.inbox_horizon SET forgotten_to = now()');
    expect(await parked('retry', '--key', 'dora')).toMatchObject([{ record: { key: 'dora', older_than_inbox: true }, result: 'refused' }]);
    expect(await parked('retry', '--key', 'dora', '--apply')).toMatchObject([{ records: 0, refused: 1 }]);
    expect(await parked('retry', '--key', 'dora', '--accept-double-effects')).toMatchObject([{ result: 'acked' }]);
    expect(await parked('retry', '--key', 'dora', '--apply', '--accept-double-effects')).toMatchObject([{ records: 1, refused: 0 }]);
    await eventually(async () => (await counted('dora')).length === 1, { timeoutMs: 30_000 });
    await my.execute('UPDATE my.inbox_horizon SET forgotten_to = $1::timestamptz', [before?.at]);
  });

  it('goes to the dead letters when it comes from its topic after the inbox has forgotten of it, and is skipped when that has not', async () => {
    const { group: name } = given.queue;
    const old = { timestampMs: Date.now() - 31 * 86_400_000 };
    const known = acquired('fay', 1);
    await given.send([known]);
    await eventually(async () => (await counted('fay')).length === 1, { timeoutMs: 20_000 });
    const [before] = await my.query<{ at: string }>('SELECT forgotten_to::text AS at FROM my.inbox_horizon');
    await my.execute("UPDATE my.inbox_horizon SET forgotten_to = now() - interval '1 day'");
    await given.send([{ ...known, ...old }, { ...acquired('eve', 1), ...old }, acquired('eve', 2), acquired('fay', 2)]);
    await eventually(async () => (await counted('eve')).length + (await counted('fay')).length === 3, { timeoutMs: 20_000 });
    expect([await counted('eve'), await counted('fay')]).toEqual([['c2'], ['c1', 'c2']]);
    const letters = await printedJson(dltCommand(), ['list', '--group', name]);
    expect(JSON.stringify(letters)).toContain('EVENT_FORGOTTEN');
    await my.execute('UPDATE my.inbox_horizon SET forgotten_to = $1::timestamptz', [before?.at]);
  });

  it('is told when nobody reads it any more, and can be taken away', async () => {
    const { source, group: name } = given.queue;
    const park = (of: string, topic: string, partition: number): Promise<void> => {
      const record = { ...consumedRecord({ at: 1, key: 'lost', partition }), topic };
      const row: RecordToPark = {
        ...{ lane: 'lost', record, attempts: 1, delayMs: 0, blocked: false, firstFailedAtMs: undefined, event: undefined },
        error: { code: 'CALL_FAILED', message: 'no' },
      };
      return createParkedRecords({ database: my, group: of }).park([row]);
    };
    await park('processor.gone', source, 0);
    await park(name, 'events.nobody.reads', 0);
    await park(name, source, 99);
    const database = (domain: string): Database => given.connections.database(domain);
    const orphans = await findParkedOrphans({ pipeline, names: given.config.names, database, admin: given.admin });
    expect(
      new Map(orphans.map(({ group: of, topic, partition, reason, records }) => [`${of}/${topic}/${partition}`, [reason, records]])),
    ).toEqual(
      new Map([
        [`processor.gone/${source}/0`, ['group', 1]],
        [`${name}/events.nobody.reads/0`, ['topic', 1]],
        [`${name}/${source}/99`, ['partition-missing', 1]],
      ]),
    );
    expect(await listed('--orphans')).toBe(3);
    expect(await listed('--group', 'processor.gone')).toBe(1);
    await expect(parked('list', '--group', 'processor.never')).rejects.toThrow('no such group, and nothing of it is parked');
    expect(await parked('retry', '--group', 'processor.gone', '--all')).toEqual([]);
    // A pipeline of another version runs beside this one, and knows the group.
    const other = given.driver.consumer({ group: 'processor.gone', topics: [source], from: 'earliest' });
    await other.start({
      onRecords: () => undefined,
      onAssigned: () => undefined,
      onRevoking: async () => undefined,
      onLost: () => undefined,
      onFatal: () => undefined,
    });
    try {
      await expect(parked('discard', '--orphans')).rejects.toThrow(`processor.gone (1 member) reads ${source}`);
      await expect(parked('discard', '--orphans', '--apply')).rejects.toThrow('Stop these groups first');
    } finally {
      await other.stop();
    }
    await eventually(async () => expect(await given.admin.members('processor.gone')).toEqual([]), { everyMs: 200 });
    expect(await parked('discard', '--orphans', '--apply', '--actor', 'olga')).toMatchObject([{ records: 3, failed: [] }]);
    expect(await findParkedOrphans({ pipeline, names: given.config.names, database, admin: given.admin })).toEqual([]);
  });
});
