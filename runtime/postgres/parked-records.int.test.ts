import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RecordToPark } from '../../core/parked-records.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import { utf8 } from '../../core/record.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { openPlatformDatabase } from '../../test/support/platform-database.ts';
import { temporaryDatabases } from '../../test/support/temporary-databases.ts';
import type { Database } from './database.ts';
import { createParkedRecords, enqueueParked } from './parked-records.ts';

const PARTITION = { topic: 'events.happened', partition: 0 };
const PAGE = { recordsMax: 50, bytesMax: 10_000 };
const GROUP = 'processor.scan';

const databases = temporaryDatabases('enqueue');
let database: Database;

beforeAll(async () => {
  database = await openPlatformDatabase(databases);
});
afterAll(async () => {
  await database.stop();
  await databases.dropAll();
});

function letter(at: number, facts: Partial<RecordToPark> = {}): RecordToPark {
  const error = { code: 'HANDLER_FAILED', message: 'replayed' } as const;
  return {
    lane: 'a',
    record: consumedRecord({ at, key: 'a' }),
    attempts: 0,
    delayMs: 0,
    blocked: false,
    firstFailedAtMs: undefined,
    error,
    event: undefined,
    ...facts,
  };
}

describe('a replayed dead letter', () => {
  it('comes to the end of its lane, or goes on in its place when it waits already, and the owners are told', async () => {
    const store = createParkedRecords({ database, group: GROUP });
    await store.park([letter(9, { attempts: 1, delayMs: 60_000 })]);
    const { revision } = await store.survey([PARTITION]);
    await enqueueParked(database, GROUP, [letter(2), letter(1), letter(2), letter(9)]);
    const waiting = await store.read(['a'], [PARTITION], PAGE);
    expect(waiting.map(({ record, attempts, dueInMs }) => [Number(record.offset), attempts, dueInMs])).toEqual([
      [9, 0, 0],
      [2, 0, 0],
      [1, 0, 0],
    ]);
    const told = await store.survey([PARTITION]);
    expect(told.revision).toBe(revision + 1n);
    await enqueueParked(database, GROUP, [letter(1)]);
    expect((await store.survey([PARTITION])).records).toBe(3);
    await enqueueParked(database, GROUP, []);
    expect((await store.survey([PARTITION])).revision).toBe(told.revision + 1n);
  });

  it('comes although something else of its place waits, from before its topic was made again', async () => {
    const store = createParkedRecords({ database, group: 'processor.character' });
    const event = { id: 'former', type: 'Happened', traceId: '0af7651916cd43dd8448eb211c80319c' };
    await store.park([letter(17, { attempts: 4, blocked: true, event })]);
    const replayed = letter(17, { event: { ...event, id: 'new' } });
    await enqueueParked(database, 'processor.character', [replayed]);
    const waiting = await store.read(['a'], [PARTITION], PAGE);
    expect(waiting.map(({ blocked, attempts }) => [blocked, attempts])).toEqual([
      [true, 4],
      [false, 0],
    ]);
  });

  it('lets a lane go on that it blocked, with fresh attempts', async () => {
    const store = createParkedRecords({ database, group: 'processor.my' });
    await store.park([letter(1, { attempts: 4, blocked: true }), letter(2)]);
    expect(await store.heads([PARTITION])).toMatchObject([{ blocked: true }]);
    await enqueueParked(database, 'processor.my', [letter(1)]);
    expect(await store.read(['a'], [PARTITION], PAGE)).toMatchObject([
      { blocked: false, attempts: 0, dueInMs: 0 },
      { record: { offset: 2n } },
    ]);
  });
});

it('a page ends before it grows too large, and holds at least one record however large that is', async () => {
  const store = createParkedRecords({ database, group: 'processor.image' });
  const value = { text: 'x'.repeat(600) };
  await store.park([1, 2, 3].map((at) => letter(at, { record: consumedRecord({ at, key: 'a', value }) })));
  const page = await store.read(['a'], [PARTITION], { ...PAGE, bytesMax: 1_000 });
  expect(page.map(({ record, isLast }) => [Number(record.offset), isLast])).toEqual([[1, false]]);
  await store.settle([{ kind: 'finished', parked: page[0]! }]);
  expect(await store.read(['a'], [PARTITION], PAGE)).toHaveLength(2);
});

it('a page counts keys and headers, too, also when they compress well', async () => {
  const store = createParkedRecords({ database, group: 'processor.headers' });
  const heavy = (at: number): ConsumedRecord => {
    const record = consumedRecord({ at, key: 'a' });
    return { ...record, headers: [...record.headers, ['note', utf8('x'.repeat(20_000))]] };
  };
  await store.park([1, 2, 3].map((at) => letter(at, { record: heavy(at) })));
  const page = await store.read(['a'], [PARTITION], { recordsMax: 50, bytesMax: 45_000 });
  expect(page.map(({ record }) => Number(record.offset))).toEqual([1, 2]);
});

it('a thousand records are parked by one statement', async () => {
  const store = createParkedRecords({ database, group: 'processor.chat' });
  await store.park(Array.from({ length: 1_000 }, (_, at) => letter(at)));
  expect(await store.survey([PARTITION])).toMatchObject({ records: 1_000, lanes: 1 });
  const page = await store.read(['a'], [PARTITION], { recordsMax: 1_000, bytesMax: 10_000_000 });
  expect(page.map(({ record }) => Number(record.offset))).toEqual(Array.from({ length: 1_000 }, (_, at) => at));
});
