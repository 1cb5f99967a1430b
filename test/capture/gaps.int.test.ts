import { readFile } from 'node:fs/promises';
import kafkajs from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dropSlot } from '../../connectors/replication/slot.ts';
import type { Lsn } from '../../core/lsn.ts';
import { LSN_ZERO } from '../../core/lsn.ts';
import type { LogReader } from '../../core/log-reader.ts';
import type { Metrics } from '../../core/metrics.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { headerText } from '../../core/record.ts';
import type { CaptureDatabase } from '../support/capture-database.ts';
import { captureDatabase } from '../support/capture-database.ts';
import { eventually } from '../support/eventually.ts';
import { services } from '../support/services.ts';
import { systemClock } from '../support/system-clock.ts';
import { CaptureUnderTest, standing } from './repair-under-test.ts';
import { incompressible } from './workload.ts';

const MEMORY_TABLE = new URL('../../runtime/postgres/migrations/event-store/0004_capture_sources.sql', import.meta.url);

interface Case {
  readonly name: string;
  readonly state: string;
  /** What somebody does while the relay is stopped. */
  readonly damage: (database: CaptureDatabase, capture: CaptureUnderTest) => Promise<void>;
}

const CASES: readonly Case[] = [
  {
    name: 'a slot that was dropped',
    state: 'SLOT_MISSING',
    damage: async (database) => dropSlot(database.sql, database.names.slot('image'), systemClock),
  },
  {
    name: 'a slot that somebody dropped and made again',
    state: 'SLOT_RECREATED',
    damage: async (database) => {
      await dropSlot(database.sql, database.names.slot('image'), systemClock);
      await database.insert({ aggregateid: 'user-0' });
      await database.sql.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [database.names.slot('image')]);
    },
  },
  {
    name: 'a slot that somebody moved forward',
    state: 'SLOT_AHEAD',
    damage: async (database) => {
      await database.insert({ aggregateid: 'user-0' });
      await database.sql.query('SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())', [database.names.slot('image')]);
    },
  },
  {
    name: 'a publication that was gone for a while',
    state: 'PUBLICATION_YOUNGER',
    damage: async (database) => {
      const name = database.names.publication('image');
      await database.sql.query(`DROP PUBLICATION ${name}`);
      await database.insert({ aggregateid: 'user-0' });
      await database.sql.query(`CREATE PUBLICATION ${name} FOR TABLE image.outbox WITH (publish = 'insert', publish_via_partition_root)`);
    },
  },
  {
    name: 'a publication that left out rows for a while',
    state: 'PUBLICATION_CHANGED',
    damage: async (database) => {
      const name = database.names.publication('image');
      await database.sql.query(`ALTER PUBLICATION ${name} DROP TABLE image.outbox`);
      await database.insert({ aggregateid: 'user-0' });
      await database.sql.query(`ALTER PUBLICATION ${name} ADD TABLE image.outbox`);
    },
  },
  {
    name: 'a publication that is gone',
    state: 'PUBLICATION_MISSING',
    damage: async (database) => {
      await database.sql.query(`DROP PUBLICATION ${database.names.publication('image')}`);
    },
  },
  {
    name: 'a topic that was deleted',
    state: 'TOPIC_MISSING',
    damage: async (_, capture) => capture.admin.deleteTopics([capture.topic]),
  },
  {
    name: 'a topic that was deleted and made again',
    state: 'TOPIC_RECREATED',
    damage: async (_, capture) => {
      await capture.admin.deleteTopics([capture.topic]);
      await eventually(async () => (await capture.reader.describe([capture.topic])).topics.length === 0);
      await eventually(() => capture.admin.ensureTopics(capture.topics));
    },
  },
  {
    name: 'records that somebody deleted',
    state: 'TOPIC_TRUNCATED',
    damage: async (_, capture) => {
      const { topics } = await capture.reader.describe([capture.topic]);
      const admin = new kafkajs.Kafka({ brokers: services().kafkaBrokers.split(','), logLevel: kafkajs.logLevel.NOTHING }).admin();
      await admin.connect();
      await admin.fetchTopicMetadata({ topics: [capture.topic] });
      const partitions = topics[0]!.partitions
        .filter(({ end }) => end > 0n)
        .map(({ partition, end }) => ({ partition, offset: end.toString() }));
      await admin.deleteTopicRecords({ topic: capture.topic, partitions });
      await admin.disconnect();
    },
  },
  {
    name: 'a Kafka that has forgotten everything',
    state: 'CAPTURE_MEMORY_LOST',
    damage: async (_, capture) => {
      const names = capture.topics.map(({ topic }) => topic);
      await capture.admin.deleteTopics(names);
      await eventually(async () => (await capture.reader.describe(names)).topics.length === 0);
      await eventually(() => capture.admin.ensureTopics(capture.topics));
    },
  },
];

describe('a relay that comes back to', () => {
  let database: CaptureDatabase;
  let capture: CaptureUnderTest;

  beforeEach(async () => {
    database = await captureDatabase('gaps');
    await database.sql.query(`SET search_path = image; ${await readFile(MEMORY_TABLE, 'utf8')}; RESET search_path`);
    capture = await new CaptureUnderTest(database.url, database.names).open();
  }, 60_000);
  afterEach(async () => {
    await capture.close();
    await database.drop();
  }, 60_000);

  const insert = async (count: number): Promise<string[]> => {
    const ids: string[] = [];
    for (let index = 0; index < count; index += 1) ids.push(await database.insert({ aggregateid: `user-${index % 3}` }));
    return ids;
  };

  it.each(CASES)('$name stands still, says $state, and goes on after the repair with every row in order', async ({ state, damage }) => {
    const first = await capture.relay();
    const before = await insert(12);
    await capture.untilPublished(before);
    await eventually(async () => (await capture.marked()) > 0);
    await first.stop(AbortSignal.timeout(10_000));
    await damage(database, capture);
    const relay = await capture.relay();
    await eventually(() => expect(standing(relay)).toBe(`gap ${state}`));
    await insert(6);

    const plan = await capture.repair({ apply: false });
    expect(plan.findings[0]?.code).toBe(state);
    expect(plan).toMatchObject({ needsConfirmation: false, applied: false, phantoms: [] });
    expect(standing(relay)).toBe(`gap ${state}`);

    const beganMs = Date.now();
    expect(await capture.repair({ apply: true })).toMatchObject({ applied: true, missing: plan.missing });
    await eventually(() => standing(relay) === 'streaming');
    const rows = await outboxRows();
    await capture.untilPublished(rows.map(({ id }) => id));
    report(state, rows.length, await capture.published(), Date.now() - beganMs);
    await expectInOrder(rows);
    const after = await insert(3);
    await capture.untilPublished(after);
    expect((await capture.repair({ apply: false })).findings).toEqual([]);
  });

  it('a gap while a transaction is open waits for it, and publishes its rows once', async () => {
    await breakSlot();
    const relay = await capture.relay();
    const writer = await database.connect();
    await writer.query('BEGIN');
    const open = await database.insert({}, writer);
    const steps: string[] = [];
    const repairing = capture.repair({ apply: true, progress: (step) => steps.push(step) });
    await eventually(() => steps.some((step) => step.startsWith('making the slot')));
    await writer.query('COMMIT');
    await repairing;
    await eventually(() => standing(relay) === 'streaming');
    expect((await capture.untilPublished([open])).filter((id) => id === open)).toHaveLength(1);
  });

  it('a gap whose repair was interrupted is closed by the next one, and only one runs at a time', async () => {
    await breakSlot();
    await database.sql.query(
      `INSERT INTO image.outbox (id, aggregatetype, aggregateid, type, payload, trace_id, topic, stream_id, version)
       SELECT gen_random_uuid(), 'image', 'user-' || n % 3, 'ImageRegistered', '{}', 't', 'image.registered', 'stream-1', 1000 + n
         FROM generate_series(1, 1300) n`,
    );
    const relay = await capture.relay();
    const interrupted = new AbortController();
    const steps: string[] = [];
    // A new slot waits for transactions that are open: so the first repair is at work for as long as this one is.
    const open = await database.connect();
    await open.query('BEGIN');
    await open.query('SELECT pg_current_xact_id()');
    const first = capture.repair({
      apply: true,
      signal: interrupted.signal,
      progress: (step) => {
        steps.push(step);
        if (step.startsWith('published')) interrupted.abort(new Error('Ctrl-C'));
      },
    });
    await eventually(() => steps.some((step) => step.startsWith('making the slot')));
    await expect(capture.repair({ apply: false })).rejects.toMatchObject({ code: 'REPAIR_RUNNING' });
    await open.query('COMMIT');
    await expect(first).rejects.toThrow('Ctrl-C');
    // The slot that the repair made and left is looked at, and is not the known one.
    await eventually(() => expect(standing(relay)).toMatch(/^gap /));
    const some = (await capture.published()).ids.length;
    expect(some).toBeGreaterThan(0);

    const rest = await capture.repair({ apply: true });
    const rows = await outboxRows();
    expect(rest.missing).toEqual([{ topic: capture.topic, rows: rows.length - some }]);
    await capture.untilPublished(rows.map(({ id }) => id));
    await expectInOrder(rows);
  });

  it('a gap closes it by itself when it is told to', async () => {
    await breakSlot();
    const lost = await database.insert();
    await database.insert({ createdAt: hoursFromNow(-2) });
    const gauges: [string, number][] = [];
    const metrics: Metrics = { ...NO_METRICS, gauge: (name, _labels, value) => gauges.push([name, value]) };
    const relay = await capture.relay({ repair: capture.automaticRepair({ metrics }) });
    await capture.untilPublished([lost]);
    await eventually(() => standing(relay) === 'streaming');
    expect(gauges).toContainEqual(['millrace_capture_beyond_retention_rows', 1]);
  });

  it('a gap is closed over rows of the future, of the distant past and of no moment', async () => {
    await breakSlot();
    const future = await database.insert({ createdAt: hoursFromNow(48) });
    const never = await database.insert({ createdAt: 'infinity' });
    await database.insert({ createdAt: '-infinity' });
    await database.insert({ createdAt: '1931-05-01 00:00+00' });
    const now = await database.insert();
    const report = await capture.repair({ apply: true, signal: AbortSignal.timeout(20_000) });
    expect(report).toMatchObject({ applied: true, missing: [{ topic: capture.topic, rows: 3 }], beyondRetentionRows: 2 });
    await capture.untilPublished([future, now]);
    const [letter, ...others] = await capture.letters();
    expect(others).toEqual([]);
    expect(headerText(letter!.headers, 'id')).toBe(never);
    expect(headerText(letter!.headers, 'dlt-error-code')).toBe('ENVELOPE_INVALID');
    // As the relay's own letters: with the headers of other tools, when they are configured.
    expect(letter!.headers.some(([name]) => name.startsWith('kafka_dlt-'))).toBe(true);
  });

  /** Both by hand, in the wrong order, and rows before, between and after. */
  const publicationAfterSlot = async (): Promise<string[]> => {
    const [slot, publication] = [database.names.slot('image'), database.names.publication('image')];
    await dropSlot(database.sql, slot, systemClock);
    await database.sql.query(`DROP PUBLICATION ${publication}; DELETE FROM image.capture_sources`);
    await database.sql.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
    const ids = await insert(3);
    await database.sql.query(
      `CREATE PUBLICATION ${publication} FOR TABLE image.outbox WITH (publish = 'insert', publish_via_partition_root)`,
    );
    return [...ids, ...(await insert(3))];
  };

  it('a publication that is younger than its slot on the first start stands in a gap that a repair can see and close', async () => {
    const ids = await publicationAfterSlot();
    const relay = await capture.relay();
    await eventually(() => standing(relay) === 'gap PUBLICATION_YOUNGER');
    await eventually(async () => (await capture.repair({ apply: false })).findings[0]?.code === 'PUBLICATION_YOUNGER');
    expect(await capture.repair({ apply: true })).toMatchObject({ applied: true, newSlot: true });
    await eventually(() => standing(relay) === 'streaming');
    await capture.untilPublished([...ids, ...(await insert(1))]);
    expect((await capture.repair({ apply: false })).findings).toEqual([]);
  });

  it('a publication that is younger than its slot on the first start repairs it by itself when it is told to', async () => {
    const ids = await publicationAfterSlot();
    const relay = await capture.relay({ repair: capture.automaticRepair() });
    await capture.untilPublished(ids);
    await eventually(() => standing(relay) === 'streaming');
  });

  it('a topic that a broker does not show for a moment goes on without a repair when the topic is there again', async () => {
    const relay = await capture.relay();
    const before = await insert(3);
    await capture.untilPublished(before);
    await eventually(async () => (await capture.marked()) > 0);
    await relay.stop(AbortSignal.timeout(10_000));
    let hidden = true;
    const forgetful: LogReader = {
      describe: async (topics) => {
        const facts = await capture.reader.describe(topics);
        return hidden ? { ...facts, topics: facts.topics.filter(({ topic }) => topic !== capture.topic) } : facts;
      },
      offsetsSince: (topic, timestampMs) => capture.reader.offsetsSince(topic, timestampMs),
      read: (partition, from) => capture.reader.read(partition, from),
      stop: async () => undefined,
    };
    const next = await capture.relay({ identity: capture.identity(capture.url, forgetful) });
    await eventually(() => expect(standing(next)).toBe('gap TOPIC_MISSING'));
    hidden = false;
    await eventually(() => standing(next) === 'streaming');
    await capture.untilPublished(await insert(1));
  });

  it('a database without its last published row goes on, and stands still when it lacks the one before as well', async () => {
    const relay = await capture.relay();
    const ids: string[] = [];
    for (let index = 0; index < 3; index += 1) {
      ids.push(...(await insert(1)));
      await eventually(async () => (await capture.remembered())?.lastPublished?.id === ids.at(-1));
    }
    await relay.stop(AbortSignal.timeout(10_000));
    await erase(ids[2]!);
    const next = await capture.relay();
    await eventually(() => expect(standing(next)).toBe('streaming'));
    await next.stop(AbortSignal.timeout(10_000));
    await erase(ids[1]!);
    const last = await capture.relay();
    await eventually(() => expect(standing(last)).toBe('gap DATABASE_RESTORED'));
  });

  it('rows of long ago that were published last, and swept since, goes on', async () => {
    const relay = await capture.relay();
    await database.insert({ createdAt: hoursFromNow(-24 * 50) });
    const last: string[] = [];
    for (const days of [40, 30]) {
      last.push(await database.insert({ createdAt: hoursFromNow(-24 * days) }));
      await eventually(async () => (await capture.remembered())?.lastPublished?.id === last.at(-1));
    }
    await relay.stop(AbortSignal.timeout(10_000));
    for (const id of last) await erase(id);
    expect(standing(await capture.relay())).toBe('streaming');
  });

  /** As an administrator may, past the trigger that refuses it. */
  const erase = async (id: string): Promise<void> => {
    await database.sql.query('SET session_replication_role = replica');
    await database.sql.query('DELETE FROM image.outbox WHERE id = $1', [id]);
    await database.sql.query('RESET session_replication_role');
  };

  it('a slot that is made anew between the check and the stream stands still before it tells that slot anything', async () => {
    const slot = database.names.slot('image');
    const first = await capture.relay();
    await capture.untilPublished(await insert(1));
    await first.stop(AbortSignal.timeout(10_000));
    const identity = capture.identity();
    const check = identity.check.bind(identity);
    let lost: string[] = [];
    identity.check = async () => {
      await check();
      if (lost.length > 0) return;
      await dropSlot(database.sql, slot, systemClock);
      lost = await insert(2);
      await database.sql.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
    };
    const told: Lsn[] = [];
    const relay = await capture.relay({ identity, onStatus: ({ flushLsn }) => told.push(flushLsn) });
    await insert(1);
    await eventually(() => /^gap SLOT_(RECREATED|AHEAD)$/.test(standing(relay)));
    expect(told.filter((flushLsn) => flushLsn !== LSN_ZERO)).toEqual([]);
    await capture.repair({ apply: true });
    await capture.untilPublished(lost);
  });

  it('a gap counts the rows that became letters, also those whose topic refused them', async () => {
    await breakSlot();
    const good = await insert(2);
    await database.insert({ topic: 'image.nowhere' });
    await database.insert({ payload: JSON.stringify({ filler: incompressible(1_200_000) }) });
    const { missing, deadLettered } = await capture.repair({ apply: true });
    expect(missing).toEqual([
      { topic: capture.deadLetterTopic, rows: 1 },
      { topic: capture.topic, rows: 3 },
    ]);
    expect(deadLettered).toBe(2);
    await capture.untilPublished(good);
    expect(new Set((await capture.published(capture.deadLetterTopic)).ids).size).toBe(2);
    // A letter is where its row left: nothing is missing any more.
    await dropSlot(database.sql, database.names.slot('image'), systemClock);
    expect(await capture.repair({ apply: true })).toMatchObject({ missing: [], deadLettered: 0 });
  });

  it('a gap makes no letter again of a row without a topic that is older than letters are kept', async () => {
    await breakSlot();
    await database.insert({ topic: 'image.nowhere', createdAt: hoursFromNow(-2) });
    await database.insert({ topic: 'image.nowhere' });
    const { missing, beyondRetentionRows } = await capture.repair({ apply: true });
    expect(missing).toEqual([{ topic: database.names.captureDeadLetterTopic('image'), rows: 1 }]);
    expect(beyondRetentionRows).toBe(1);
  });

  const hoursFromNow = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString();

  /** A capture that has worked, and whose slot is gone now. */
  const breakSlot = async (): Promise<void> => {
    const relay = await capture.relay();
    await capture.untilPublished([await database.insert({})]);
    await relay.stop(AbortSignal.timeout(10_000));
    await dropSlot(database.sql, database.names.slot('image'), systemClock);
  };

  const outboxRows = async (): Promise<{ id: string; key: string }[]> => {
    const { rows } = await database.sql.query<{ id: string; key: string }>(
      'SELECT id::text, aggregateid AS key FROM image.outbox ORDER BY version',
    );
    return rows;
  };

  /** First occurrences, key by key. */
  const expectInOrder = async (rows: readonly { id: string; key: string }[]): Promise<void> => {
    const { byKey } = await capture.published();
    for (const [key, ids] of byKey) {
      expect([...new Set(ids)]).toEqual(rows.filter((row) => row.key === key).map(({ id }) => id));
    }
  };

  const report = (state: string, rows: number, { ids }: { ids: readonly string[] }, tookMs: number): void => {
    process.stdout.write(`    ${state}: ${rows} rows, ${ids.length - new Set(ids).size} duplicates, repaired in ${tookMs} ms\n`);
  };

  it('all as it was goes on where it stopped, and repeats nothing', async () => {
    const expected: string[] = [];
    for (let start = 0; start < 3; start += 1) {
      const relay = await capture.relay();
      await eventually(() => expect(standing(relay)).toBe('streaming'));
      expected.push(...(await insert(4)));
      await capture.untilPublished(expected);
      await relay.stop(AbortSignal.timeout(10_000));
      expected.push(...(await insert(1)));
    }
    await capture.relay();
    expect([...(await capture.untilPublished(expected))].sort()).toEqual(expected.sort());
  });
});
