import { readFile } from 'node:fs/promises';
import kafkajs from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dropSlot } from '../../connectors/replication/slot.ts';
import type { CaptureDatabase } from '../support/capture-database.ts';
import { captureDatabase } from '../support/capture-database.ts';
import { eventually } from '../support/eventually.ts';
import { services } from '../support/services.ts';
import { systemClock } from '../support/system-clock.ts';
import { CaptureUnderTest, standing } from './repair-under-test.ts';

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

  it.each(CASES)('$name stands still and says $state', async ({ state, damage }) => {
    const first = await capture.relay();
    const before = await insert(12);
    await capture.untilPublished(before);
    await eventually(async () => (await capture.marked()) > 0);
    await first.stop(AbortSignal.timeout(10_000));
    await damage(database, capture);
    const relay = await capture.relay();
    expect(standing(relay)).toBe(`gap ${state}`);
  });

  it('all as it was goes on where it stopped, and repeats nothing', async () => {
    const expected: string[] = [];
    for (let start = 0; start < 3; start += 1) {
      const relay = await capture.relay();
      expect(standing(relay)).toBe('streaming');
      expected.push(...(await insert(4)));
      await capture.untilPublished(expected);
      await relay.stop(AbortSignal.timeout(10_000));
      expected.push(...(await insert(1)));
    }
    await capture.relay();
    expect([...(await capture.untilPublished(expected))].sort()).toEqual(expected.sort());
  });
});
