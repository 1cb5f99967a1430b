import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { captureSource } from '../../connectors/outbox/relay.ts';
import { dropCaptureSource, ensureCaptureSource } from '../../connectors/replication/capture-source.ts';
import { dropSlot } from '../../connectors/replication/slot.ts';
import type { SourceMemory } from '../../connectors/replication/source-memory.ts';
import { parseLsn } from '../../core/lsn.ts';
import type { BatchProducer } from '../../core/record-batch.ts';
import { headerText } from '../../core/record.ts';
import type { CaptureDatabase } from '../support/capture-database.ts';
import { captureDatabase } from '../support/capture-database.ts';
import { eventually } from '../support/eventually.ts';
import { systemClock } from '../support/system-clock.ts';
import { CaptureUnderTest, standing } from './repair-under-test.ts';

const MEMORY_TABLE = new URL('../../runtime/postgres/migrations/event-store/0004_capture_sources.sql', import.meta.url);
const LSN = /^[0-9A-F]+\/[0-9A-F]+$/;

describe('a repair', () => {
  let database: CaptureDatabase;
  let capture: CaptureUnderTest;
  let slot: string;
  let publication: string;

  beforeEach(async () => {
    database = await captureDatabase('repair');
    await database.sql.query(`SET search_path = image; ${await readFile(MEMORY_TABLE, 'utf8')}; RESET search_path`);
    capture = await new CaptureUnderTest(database.url, database.names).open();
    [slot, publication] = [database.names.slot('image'), database.names.publication('image')];
  }, 60_000);
  afterEach(async () => {
    await capture.close();
    await database.drop();
  }, 60_000);

  /** A capture that has worked, and is stopped. */
  const worked = async (): Promise<string> => {
    const relay = await capture.relay();
    const id = await database.insert();
    await capture.untilPublished([id]);
    await eventually(async () => (await capture.remembered())?.lastPublished?.id === id);
    await relay.stop(AbortSignal.timeout(10_000));
    return id;
  };

  /** An event without a table, as `emit_outbox` writes it. */
  const emit = async (topic = 'image.registered'): Promise<string> => {
    const id = randomUUID();
    const columns = { id, aggregatetype: 'image', aggregateid: 'user-1', type: 'ImageRegistered', trace_id: 't', topic };
    const now = new Date().toISOString().replace('T', ' ').replace('Z', '+00');
    const event = { ...columns, stream_id: id, version: 1, created_at: now, payload: {} };
    await database.sql.query(`SELECT pg_logical_emit_message(true, 'millrace.outbox', $1::text)`, [JSON.stringify(event)]);
    return id;
  };

  const alterPublication = async (change: 'DROP' | 'ADD'): Promise<void> => {
    await database.sql.query(`ALTER PUBLICATION ${publication} ${change} TABLE image.outbox`);
  };
  const makeSlot = async (): Promise<void> => {
    await database.sql.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
  };

  it.each([
    {
      state: 'SLOT_AHEAD',
      damage: async () => database.sql.query('SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())', [slot]),
    },
    {
      state: 'SLOT_RECREATED',
      damage: async () => {
        await dropSlot(database.sql, slot, systemClock);
        await makeSlot();
      },
    },
    {
      state: 'PUBLICATION_CHANGED',
      damage: async () => {
        await alterPublication('DROP');
        await database.insert();
        await alterPublication('ADD');
      },
    },
    { state: 'PUBLICATION_CHANGED', damage: async () => alterPublication('DROP') },
    {
      state: 'PUBLICATION_CHANGED',
      damage: async () =>
        database.sql.query(`ALTER PUBLICATION ${publication} SET TABLE image.outbox WHERE (id = '${randomUUID()}'::uuid)`),
    },
    {
      state: 'CAPTURE_MEMORY_LOST',
      damage: async () => {
        const names = capture.topics.map(({ topic }) => topic);
        await capture.admin.deleteTopics(names);
        await eventually(async () => (await capture.reader.describe(names)).topics.length === 0);
        await eventually(() => capture.admin.ensureTopics(capture.topics));
      },
    },
  ])('of $state keeps the slot, and what was emitted without a table comes out of it', async ({ state, damage }) => {
    const before = await worked();
    const lost = await database.insert();
    await damage();
    const [emitted, row] = [await emit(), await database.insert()];
    const plan = await capture.repair({ apply: false });
    expect(plan.findings.map(({ code }) => code)).toContain(state);
    expect(plan.newSlot).toBe(false);
    expect(await capture.repair({ apply: true })).toMatchObject({ applied: true, newSlot: false, unseenLog: plan.unseenLog });
    const relay = await capture.relay();
    expect(standing(relay)).toBe('streaming');
    await capture.untilPublished([before, lost, emitted, row, await database.insert()]);
    expect((await capture.repair({ apply: false })).findings).toEqual([]);
  });

  it('is not called for by a slot that a relay moves while it is looked at, however often', async () => {
    await worked();
    let moves = 0;
    /** After each look into the memory a relay writes a new position there, and tells it. */
    const moving: SourceMemory = {
      read: async (name) => {
        const record = await capture.memory.read(name);
        moves += 1;
        await emit();
        const { rows } = await database.sql.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
        await capture.memory.write({ ...record!, flushLsn: parseLsn(rows[0]!.lsn) });
        await database.sql.query('SELECT pg_replication_slot_advance($1, $2)', [slot, rows[0]!.lsn]);
        return record;
      },
      write: async () => undefined,
      forget: async () => undefined,
    };
    expect((await capture.identity(capture.url, capture.reader, moving).assess()).findings).toEqual([]);
    expect(moves).toBeGreaterThan(1);
  });

  it('that makes the slot anew says of which stretch of the log nothing comes any more', async () => {
    await worked();
    await emit();
    const told = (await capture.remembered())!.flushLsn;
    await dropSlot(database.sql, slot, systemClock);
    const plan = await capture.repair({ apply: false });
    expect(plan).toMatchObject({ newSlot: true, unseenLog: { to: undefined } });
    const { newSlot, unseenLog } = await capture.repair({ apply: true });
    expect(newSlot).toBe(true);
    expect(unseenLog?.from).toBe(plan.unseenLog!.from);
    expect(unseenLog?.to).toMatch(LSN);
    expect((await capture.remembered())!.flushLsn).toBeGreaterThan(told);
  });

  it('says of no stretch of the log when the slot stands where it stood', async () => {
    await worked();
    await alterPublication('DROP');
    expect((await capture.repair({ apply: false })).unseenLog).toBeUndefined();
  });

  it('leaves a slot of that name alone that is another plugin’s', async () => {
    await worked();
    await dropSlot(database.sql, slot, systemClock);
    await database.sql.query(`SELECT pg_create_logical_replication_slot($1, 'test_decoding')`, [slot]);
    await expect(capture.repair({ apply: true })).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
  });

  /** Something that happens when the rows are compared already and the first of them is published. */
  const during = (happens: () => Promise<unknown>): BatchProducer => {
    let happened: Promise<unknown> | undefined;
    const { batchProducer: producer } = capture;
    return {
      start: () => producer.start(),
      stop: () => producer.stop(),
      partitionCount: (topic) => producer.partitionCount(topic),
      knownPartitionCount: (topic) => producer.knownPartitionCount(topic),
      append: async (topic, partition, batch) => {
        await producer.append(topic, partition, batch);
        happened ??= happens();
        await happened;
      },
    };
  };

  it.each([
    {
      what: 'the slot is made anew',
      code: 'SLOT_RECREATED',
      happens: async () => {
        await dropSlot(database.sql, slot, systemClock);
        await database.insert();
        await makeSlot();
      },
    },
    {
      what: 'the publication leaves out a row for a moment',
      code: 'PUBLICATION_CHANGED',
      happens: async () => {
        await alterPublication('DROP');
        await database.insert();
        await alterPublication('ADD');
      },
    },
    {
      what: 'a topic is made anew',
      code: 'TOPIC_RECREATED',
      happens: async () => {
        await capture.admin.deleteTopics([capture.topic]);
        await eventually(async () => (await capture.reader.describe([capture.topic])).topics.length === 0);
        await eventually(() => capture.admin.ensureTopics(capture.topics));
        await eventually(async () => (await capture.reader.describe([capture.topic])).topics.length === 1);
      },
    },
  ])('during which $what does not count, and the next one closes the gap', async ({ code, happens }) => {
    await worked();
    await dropSlot(database.sql, slot, systemClock);
    await database.insert();
    await expect(capture.repair({ apply: true }, { producer: during(happens) })).rejects.toMatchObject({ code });
    expect((await capture.repair({ apply: false })).findings).not.toEqual([]);
    await capture.repair({ apply: true });
    const relay = await capture.relay();
    expect(standing(relay)).toBe('streaming');
    const { rows } = await database.sql.query<{ id: string }>('SELECT id::text FROM image.outbox');
    await capture.untilPublished(rows.map(({ id }) => id));
  });

  it('of a dead-letter topic that was deleted makes it again, with the letters of the rows that are there', async () => {
    const relay = await capture.relay();
    const letter = await database.insert({ topic: 'image.nowhere' });
    const letters = database.names.captureDeadLetterTopic('image');
    await eventually(async () => (await capture.letters()).length === 1);
    await eventually(async () => (await capture.remembered())?.topics.some(({ topic, ends }) => topic === letters && ends[0] === 1n));
    await capture.admin.deleteTopics([letters]);
    await eventually(() => expect(standing(relay)).toBe('gap TOPIC_MISSING'));
    expect(await capture.repair({ apply: true })).toMatchObject({
      newSlot: false,
      lettersLost: true,
      missing: [{ topic: letters, rows: 1 }],
    });
    await eventually(() => standing(relay) === 'streaming');
    expect((await capture.letters()).map(({ headers }) => headerText(headers, 'id'))).toEqual([letter]);
    const other = await database.insert({ topic: 'image.nowhere' });
    await eventually(async () => (await capture.letters()).some(({ headers }) => headerText(headers, 'id') === other));
  });

  it('of a slot that was made when the outbox held rows already publishes these, and what was emitted since', async () => {
    const source = captureSource('image', database.url, database.names);
    await dropCaptureSource(source, systemClock);
    const before = await database.insert();
    expect(await ensureCaptureSource(source)).toContainEqual(expect.stringContaining('run `millrace slot repair --apply`'));
    const [emitted, after] = [await emit(), await database.insert()];
    const relay = await capture.relay();
    await eventually(() => expect(standing(relay)).toBe('gap SLOT_YOUNGER'));
    expect((await capture.published()).ids).toEqual([]);
    expect(await capture.repair({ apply: true })).toMatchObject({ newSlot: false, unseenLog: { from: undefined } });
    await eventually(() => standing(relay) === 'streaming');
    await capture.untilPublished([before, emitted, after]);
  });

  it('takes no event without a table, published or refused, for one that the database lacks', async () => {
    const relay = await capture.relay();
    const row = await database.insert();
    await capture.untilPublished([row, await emit()]);
    await emit('image.nowhere');
    await eventually(async () => (await capture.letters()).length === 1);
    await relay.stop(AbortSignal.timeout(10_000));
    await alterPublication('DROP');
    expect(await capture.repair({ apply: false })).toMatchObject({ checkedRows: 1, phantoms: [] });
  });

  it('is not needed after somebody has purged the dead letters', async () => {
    const relay = await capture.relay();
    await database.insert({ topic: 'image.nowhere' });
    const letters = database.names.captureDeadLetterTopic('image');
    await eventually(async () => (await capture.remembered())?.topics.some(({ topic, ends }) => topic === letters && ends[0] === 1n));
    const [facts] = (await capture.reader.describe([letters])).topics;
    await capture.admin.deleteRecords([{ topic: letters, partition: 0, offset: facts!.partitions[0]!.end }]);
    await relay.stop(AbortSignal.timeout(10_000));
    expect((await capture.repair({ apply: false })).findings).toEqual([]);
  });
});
