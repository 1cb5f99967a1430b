import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { composeDeadLetters } from '../../api/compose-dead-letters.ts';
import { buildApi } from '../../api/create-api.ts';
import { developmentToken } from '../../api/development-token.ts';
import { dltCommand } from '../../cli/dlt-command.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import type { ProducerRecord } from '../../core/record.ts';
import { utf8 } from '../../core/record.ts';
import { pipeline } from '../../pipeline.ts';
import { composeRoles } from '../../runtime/compose.ts';
import { Connections } from '../../runtime/connections.ts';
import { LetterArchive } from '../../runtime/dead-letters/archive.ts';
import { countLetters } from '../../runtime/dead-letters/count-letters.ts';
import { giveBackTo } from '../../runtime/dead-letters/give-back.ts';
import { inboxMemory } from '../../runtime/dead-letters/inbox-memory.ts';
import { UNHANDLED } from '../../runtime/dead-letters/letter-filter.ts';
import type { ReplayOptions } from '../../runtime/dead-letters/replay.ts';
import { replayLetters } from '../../runtime/dead-letters/replay.ts';
import { selectLetters } from '../../runtime/dead-letters/select-letters.ts';
import { Lifecycle } from '../../runtime/lifecycle.ts';
import type { Database } from '../../runtime/postgres/database.ts';
import { OperatorRequests } from '../../runtime/postgres/operator-requests.ts';
import { systemClock } from '../../runtime/telemetry/system-clock.ts';
import { apiOptions, AUTH, capturedDependencies } from '../support/api-harness.ts';
import { eventHeaders } from '../support/consumed-record.ts';
import { eventually } from '../support/eventually.ts';
import { LettersUnderTest } from '../support/letters-under-test.ts';
import { printedJson } from '../support/printed-json.ts';

/**
 * An incident from its beginning to its end, as an operator meets it: a table that refuses a user's rows, letters, looking at
 * them, rehearsing, mending, rehearsing again, replaying, with the command line over a group that runs.
 */
let given: LettersUnderTest;
let group: Lifecycle;
let my: Database;
let folder: string;
let serial = 0;

beforeAll(async () => {
  given = await LettersUnderTest.open('walk');
  await given.makeDatabase('my');
  await given.makeTopics();
  my = given.connections.database('my');
  folder = await mkdtemp(join(tmpdir(), 'millrace-walk-'));
  await writeFile(join(folder, 'settings.json'), JSON.stringify(given.environment));
  vi.stubEnv('MILLRACE_CONFIG_FILE', join(folder, 'settings.json'));
  const connections = new Connections(pipeline, given.config, SILENT_LOGGER, 'walk-test');
  const roles = { api: false, flows: false, relays: [], processors: ['my'], projectors: [] };
  const onFatal = (): void => expect.fail('the group gave up');
  const parts = composeRoles(roles, { pipeline, connections, metrics: NO_METRICS, onFatal });
  group = new Lifecycle([...connections.services(), ...parts], SILENT_LOGGER);
  await group.start(new AbortController().signal);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await group.stop(5_000);
  await given.close();
  await rm(folder, { recursive: true });
});

/** A character of the user, the n-th one; in the one partition that the user's key has. */
function acquired(user: string, n: number): ProducerRecord {
  serial += 1;
  const id = `00000000-0000-4000-8000-${serial.toString(16).padStart(12, '0')}`;
  const payload = { user_id: user, character_id: `c${n}`, character_name: `character ${n}`, source: 'scan', source_id: null };
  const headers = eventHeaders({ id, type: 'CharacterAcquired', streamId: user });
  return { topic: given.queue.source, key: utf8(user), value: utf8(JSON.stringify(payload)), headers, timestampMs: Date.now() + serial };
}

/** What the group has made of a user's characters, in the order in which it did. */
async function counted(user: string): Promise<readonly string[]> {
  const rows = await my.query<{ character: string }>(
    `SELECT payload ->> 'last_character_id' AS character FROM my.events WHERE aggregate_id = $1 ORDER BY sequence_number`,
    [user],
  );
  return rows.map(({ character }) => character);
}

/** What the command prints, a JSON object a line. */
const dlt = async (...words: string[]) => printedJson(dltCommand(), words);

async function letters(user: string): Promise<number> {
  let count = 0;
  for await (const _ of given.letters.log.read([given.queue], { key: user })) count += 1;
  return count;
}

describe('a poison record', () => {
  it(
    'becomes a letter, is looked at, rehearsed, mended, replayed to its group alone, and has its effect once, in the order of its key',
    { timeout: 120_000 },
    async () => {
      const { queue } = given;
      await makeLetters('poison', 3);
      await given.send([acquired('ada', 1)]);
      await eventually(async () => (await counted('ada')).length === 1, { timeoutMs: 20_000 });

      const [stats] = await dlt('stats', '--group', queue.group);
      expect(stats).toMatchObject({ heaps: [{ topic: queue.topic, code: 'STATE_INVALID', type: 'CharacterAcquired', count: 3 }] });
      const listed = await dlt('list', '--group', queue.group, '--key', 'poison');
      expect(listed).toHaveLength(3);
      expect(listed[0]).toMatchObject({ state: 'open', error_code: 'STATE_INVALID', key: 'poison', replays: 0 });
      expect(JSON.stringify(listed)).not.toContain('character 1');
      const [shown] = await dlt('show', String(listed[0]?.['letter']));
      expect(shown).toMatchObject({ payload: { kind: 'decoded', value: { character_name: 'character 1' } }, audit: [] });

      const before = await dlt('replay', '--group', queue.group, '--key', 'poison');
      expect(before.map(({ result, error_code }) => [result, error_code])).toEqual(Array(3).fill(['failed', 'STATE_INVALID']));

      await mend();
      const after = await dlt('replay', '--group', queue.group, '--key', 'poison');
      expect(after).toHaveLength(3);
      for (const each of after) {
        expect(each).toMatchObject({
          result: 'acked',
          events: [{ type: 'ProfileUpdated', aggregate_id: 'poison', version: 1 }],
          changes: [{ op: 'upsert', table: 'users', key: { user_id: 'poison' } }],
        });
      }
      expect(JSON.stringify(after)).not.toContain('character 1');
      // A rehearsal leaves nothing: no event, no inbox row, no parked record, no state.
      expect(await counted('poison')).toEqual([]);
      const [inbox] = await my.query<{ rows: bigint }>('SELECT count(*) AS rows FROM my.processed_events');
      expect(inbox?.rows).toBe(1n);

      const ends = await given.admin.offsets([queue.source]);
      const apply = async (...words: string[]) =>
        dlt('replay', '--group', queue.group, '--key', 'poison', '--apply', '--actor', 'olga', '--reason', 'mended', ...words);
      const done = { applied: true, passed_over: 0, refused: {}, interrupted: false };
      expect(await apply('--limit', '1')).toEqual([{ ...done, replayed: 1, more: 2 }]);
      expect(await apply()).toEqual([{ ...done, replayed: 2, more: 0 }]);
      await eventually(async () => (await counted('poison')).length === 3, { timeoutMs: 20_000 });
      expect(await counted('poison')).toEqual(['c1', 'c2', 'c3']);
      // No other group of the topic sees anything.
      expect(await given.admin.offsets([queue.source])).toEqual(ends);
      const [audited] = await dlt('show', String(listed[0]?.['letter']));
      expect(audited).toMatchObject({ state: 'replayed', audit: [{ action: 'replayed', actor: 'olga', detail: 'mended' }] });
      expect(await dlt('list', '--group', queue.group)).toEqual([]);

      // Again, even forced, changes nothing: the inbox knows them.
      expect(await dlt('replay', '--group', queue.group, '--all', '--apply')).toMatchObject([{ replayed: 0 }]);
      expect(await dlt('replay', '--group', queue.group, '--all', '--force')).toMatchObject(
        Array(3).fill({ result: 'skipped', reason: 'duplicate' }),
      );
    },
  );
});

/** So many letters of the user, all of the same broken table; what had no effect yet is broken for good until it is mended. */
async function makeLetters(user: string, count: number): Promise<void> {
  await my.execute(`ALTER TABLE my.users ADD CONSTRAINT poison CHECK (user_id <> '${user}')`);
  await given.send(Array.from({ length: count }, (_, n) => acquired(user, n + 1)));
  await eventually(async () => (await letters(user)) === count, { timeoutMs: 20_000 });
}
const mend = () => my.execute('ALTER TABLE my.users DROP CONSTRAINT poison');

async function nothingWaits(): Promise<boolean> {
  const [row] = await my.query<{ rows: bigint }>('SELECT count(*) AS rows FROM my.parked_records');
  return row?.rows === 0n;
}

/** What a replay of the user's letters is told, by the command and by the API alike. */
async function replayOptions(user: string) {
  const selection = await selectLetters(
    given.letters.log,
    [given.queue],
    { key: user, states: UNHANDLED },
    { limit: 100, inboxMemory: inboxMemory(given.connections), acceptDoubleEffects: false },
  );
  const options: ReplayOptions = {
    ...{ letters: given.letters.log.fetcher(), states: given.letters.states, giveBack: giveBackTo(given.connections), clock: systemClock },
    ...{ actor: 'olga', force: false, signal: new AbortController().signal },
  };
  return { chosen: selection.chosen, options };
}

describe('a replay', () => {
  it('that was killed after the records were given back and before that was written down goes on, and each effect comes once', async () => {
    await makeLetters('carl', 5);
    await mend();
    const { chosen, options } = await replayOptions('carl');
    const giveBack: ReplayOptions['giveBack'] = async (queue, of) => {
      await options.giveBack(queue, of);
      throw new Error('killed');
    };
    await expect(replayLetters(chosen, { ...options, giveBack })).rejects.toThrow('killed');
    await eventually(async () => (await counted('carl')).length === 5, { timeoutMs: 20_000 });
    const again = await replayOptions('carl');
    expect(again.chosen).toHaveLength(5);
    expect(await replayLetters(again.chosen, again.options)).toMatchObject({ replayed: 5 });
    await eventually(nothingWaits, { timeoutMs: 20_000 });
    expect(await counted('carl')).toEqual(['c1', 'c2', 'c3', 'c4', 'c5']);
    expect((await replayOptions('carl')).chosen).toEqual([]);
  });

  it('that fails again makes a letter that knows its first life, and the next replay keeps the order of the key', async () => {
    await makeLetters('dora', 2);
    const first = await replayOptions('dora');
    // The first event alone, although the table is still broken: its second letter lies behind that of the second event.
    expect(await replayLetters(first.chosen.slice(0, 1), first.options)).toMatchObject({ replayed: 1 });
    await eventually(async () => (await letters('dora')) === 3, { timeoutMs: 20_000 });
    const listed = await dlt('list', '--key', 'dora', '--state', 'all');
    expect(listed.map(({ state, replays }) => [state, replays])).toEqual([
      ['replayed', 0],
      ['open', 0],
      ['open', 1],
    ]);
    expect(listed[2]).toMatchObject({
      replay_of: listed[0]?.['letter'],
      first_failed_at: listed[0]?.['first_failed_at'],
      first_error_code: 'STATE_INVALID',
      origin: listed[0]?.['origin'],
    });
    await mend();
    const second = await replayOptions('dora');
    expect(await replayLetters(second.chosen, second.options)).toMatchObject({ replayed: 2 });
    await eventually(async () => (await counted('dora')).length === 2, { timeoutMs: 20_000 });
    expect(await counted('dora')).toEqual(['c1', 'c2']);
  });

  it('over HTTP with an idempotency key is done once, and one that was cut off goes on and gives back no more than was asked for', async () => {
    await makeLetters('gina', 4);
    await mend();
    const deadLetters = composeDeadLetters(pipeline, given.connections, systemClock);
    const { topic: queue } = given.queue;
    const request = { queue, count: 3, errorCode: undefined, actor: 'otto', idempotencyKey: 'http:x:otto:1', requestHash: 'h1' };
    // As when it died after its second letter: claimed, no answer, and the audit has what was done.
    const requests = new OperatorRequests(given.connections.platform());
    const claim = await requests.claim(request.idempotencyKey, 'h1', 60_000);
    if (claim.kind !== 'claimed') throw new Error(claim.kind);
    const { chosen, options } = await replayOptions('gina');
    await replayLetters(chosen.slice(0, 2), { ...options, detail: `by POST /admin/dlq/reprocess, request ${claim.requestId}` });
    expect(await deadLetters.reprocess(request)).toEqual({ kind: 'in-progress' });
    await requests.release(request.idempotencyKey);
    expect(await deadLetters.reprocess(request)).toEqual({ kind: 'reprocessed', letters: 3, isRepeated: false });
    expect(await deadLetters.reprocess(request)).toEqual({ kind: 'reprocessed', letters: 3, isRepeated: true });
    expect(await deadLetters.reprocess({ ...request, requestHash: 'h2' })).toEqual({ kind: 'mismatch' });
    await eventually(async () => (await counted('gina')).length === 3, { timeoutMs: 20_000 });
    expect((await replayOptions('gina')).chosen).toHaveLength(1);
    const all = { ...request, count: 10, idempotencyKey: 'http:x:otto:2' };
    expect(await deadLetters.reprocess(all)).toMatchObject({ letters: 1, isRepeated: false });
    await eventually(async () => (await counted('gina')).length === 4, { timeoutMs: 20_000 });
    expect(await counted('gina')).toEqual(['c1', 'c2', 'c3', 'c4']);
  });

  it(
    'from the archive gives back letters that Kafka holds no more, once, and goes on where it was interrupted',
    { timeout: 120_000 },
    async () => {
      await makeLetters('fred', 3);
      const archive = new LetterArchive({
        ...{ reader: given.connections.logReader(), states: given.letters.states, platform: given.connections.platform() },
        ...{ folder: join(folder, 'archive'), afterMs: -60_000, clock: systemClock },
      });
      await archive.pass([given.queue], new AbortController().signal);
      const [first] = await dlt('list', '--key', 'fred', '--state', 'archived');
      expect(first).toMatchObject({ state: 'archived' });
      const { topics } = await given.connections.logReader().describe([given.queue.topic]);
      await given.admin.deleteRecords(topics[0]!.partitions.map(({ topic, partition, end }) => ({ topic, partition, offset: end })));
      const counts = await countLetters(given.connections.logReader(), given.letters.states, [given.queue]);
      await given.letters.states.forgetGone(counts.partitions);
      expect(await dlt('list', '--key', 'fred', '--state', 'all')).toEqual([]);
      const archived = ['--from-archive', join(folder, 'archive'), '--key', 'fred'];
      const listed = await dlt('list', ...archived);
      expect(listed).toHaveLength(3);
      expect(listed).toContainEqual(first);
      const shown = (...words: string[]) => dlt('show', String(first?.['letter']), ...words);
      await expect(shown()).rejects.toThrow('--from-archive');
      expect(await shown(...archived.slice(0, 2))).toMatchObject([
        { letter: first?.['letter'], state: 'archived', payload: { kind: 'decoded', value: { user_id: 'fred' } } },
      ]);
      expect(await dlt('stats', ...archived)).toMatchObject([{ heaps: [{ count: 3 }], others: 0 }]);
      await mend();

      const from = ['replay', ...archived];
      expect(await dlt(...from)).toMatchObject(Array(3).fill({ result: 'acked', changes: [{ table: 'users', key: { user_id: 'fred' } }] }));
      expect(await dlt(...from, '--apply', '--limit', '2', '--actor', 'olga')).toMatchObject([{ replayed: 2 }]);
      // What is forgotten with the topic's records is not forgotten by the audit.
      await given.letters.states.forgetGone(counts.partitions);
      expect(await dlt(...from, '--apply', '--actor', 'olga')).toMatchObject([{ replayed: 1, passed_over: 0 }]);
      await eventually(async () => (await counted('fred')).length === 3, { timeoutMs: 20_000 });
      expect(await counted('fred')).toEqual(['c1', 'c2', 'c3']);
      expect(await dlt(...from, '--apply')).toMatchObject([{ replayed: 0 }]);
      expect(await dlt(...from, '--force')).toMatchObject(Array(3).fill({ result: 'skipped', reason: 'duplicate' }));
      const [audit] = await given.connections
        .platform()
        .query<{ rows: bigint }>(
          `SELECT count(*) AS rows FROM millrace.dead_letter_audit WHERE action = 'replayed' AND detail = 'from the archive'`,
        );
      expect(audit?.rows).toBe(3n);
    },
  );

  it('over HTTP needs an operator, gives back so many, and is audited with the subject of the token', async () => {
    await makeLetters('emil', 3);
    await mend();
    const { dependencies, clock } = capturedDependencies();
    const deadLetters = composeDeadLetters(pipeline, given.connections, systemClock);
    const app = buildApi({ ...dependencies, deadLetters }, apiOptions(), () => false);
    const post = async (permissions: readonly string[], payload: object) => {
      const token = await developmentToken(AUTH, { id: 'otto', permissions }, clock.nowMs());
      return app.inject({ method: 'POST', url: '/api/v1/admin/dlq/reprocess', payload, headers: { authorization: `Bearer ${token}` } });
    };
    const { topic: queue } = given.queue;
    expect((await post([], { queue })).statusCode).toBe(403);
    expect((await post(['operator'], { queue: 'nothing.dlt' })).statusCode).toBe(404);
    expect((await post(['operator'], { queue, filter_reason: 'CALL_FAILED' })).json()).toEqual({ reprocessed: 0 });
    expect((await post(['operator'], { queue, count: 2 })).json()).toEqual({ reprocessed: 2 });
    expect((await post(['operator'], { queue })).json()).toEqual({ reprocessed: 1 });
    await eventually(async () => (await counted('emil')).length === 3, { timeoutMs: 20_000 });
    expect(await counted('emil')).toEqual(['c1', 'c2', 'c3']);
    const [letter] = await dlt('list', '--key', 'emil', '--state', 'replayed');
    const [shown] = await dlt('show', String(letter?.['letter']));
    expect(shown).toMatchObject({ audit: [{ action: 'replayed', actor: 'otto' }] });
    await app.close();
  });
});
