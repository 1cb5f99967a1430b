import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ParkedRecord, ParkedRecords, RecordToPark } from '../../core/parked-records.ts';
import type { TopicPartition } from '../../core/record.ts';
import { createParkedRecords, enqueueParked } from '../../runtime/postgres/parked-records.ts';
import { systemClock } from '../../runtime/telemetry/system-clock.ts';
import { consumedRecord } from '../support/consumed-record.ts';
import { InMemoryParkedRecords } from '../support/in-memory-parked-records.ts';
import { openPlatformDatabase } from '../support/platform-database.ts';
import { temporaryDatabases } from '../support/temporary-databases.ts';

const P0 = { topic: 'events.happened', partition: 0 };
const P1 = { topic: 'events.happened', partition: 1 };
const PAGE = { recordsMax: 50, bytesMax: 1_000_000 };

interface Opened {
  /** A group of its own each time, and how a replay gives something back to it. */
  readonly group: () => { readonly store: ParkedRecords; readonly giveBack: (record: RecordToPark) => Promise<void> };
  readonly close: () => Promise<void>;
}

async function openPostgres(): Promise<Opened> {
  const databases = temporaryDatabases('parked');
  const database = await openPlatformDatabase(databases);
  let groups = 0;
  return {
    group: () => {
      const group = `processor.g${(groups += 1)}`;
      return { store: createParkedRecords({ database, group }), giveBack: (record) => enqueueParked(database, group, [record]) };
    },
    close: async () => {
      await database.stop();
      await databases.dropAll();
    },
  };
}

function inMemory(): ReturnType<Opened['group']> {
  const store = new InMemoryParkedRecords(systemClock);
  return { store, giveBack: async (record) => store.giveBack(record) };
}

const ADAPTERS: readonly (readonly [string, () => Promise<Opened>])[] = [
  ['in memory', async () => ({ group: inMemory, close: async () => undefined })],
  ['in PostgreSQL', openPostgres],
];

function toPark(at: number, facts: Partial<RecordToPark> & { readonly partition?: number } = {}): RecordToPark {
  const { partition = 0, lane = 'a', ...rest } = facts;
  return {
    lane,
    record: consumedRecord({ at, key: lane, partition }),
    attempts: 0,
    delayMs: 0,
    blocked: false,
    firstFailedAtMs: undefined,
    error: { code: 'CALL_FAILED', message: 'the call failed' },
    event: { id: `e${at}`, type: 'Happened', traceId: '0af7651916cd43dd8448eb211c80319c' },
    ...rest,
  };
}

function offsets(records: readonly ParkedRecord[]): number[] {
  return records.map(({ record }) => Number(record.offset));
}

describe.each(ADAPTERS)('parked records %s', (_name, open) => {
  let opened: Opened;
  beforeAll(async () => {
    opened = await open();
  });
  afterAll(async () => opened.close());

  async function first(store: ParkedRecords, partitions: readonly TopicPartition[] = [P0], lane = 'a'): Promise<ParkedRecord> {
    return (await store.read([lane], partitions, PAGE))[0]!;
  }

  it('come back as they were: key, value, headers in their order, twice named and null', async () => {
    const { store } = opened.group();
    const record = {
      ...consumedRecord({ at: 7 }),
      key: Uint8Array.of(0xff, 0x00),
      value: null,
      headers: [
        ['zulu', Uint8Array.of(0x00, 0xfe)],
        ['id', null],
        ['', Uint8Array.of()],
        ['zulu', Uint8Array.of(0x32)],
        ['odd\0name', Uint8Array.of(0x33)],
      ] as const,
    };
    const bare = { ...consumedRecord({ at: 8, key: null }), headers: [] };
    await store.park([toPark(7, { record, event: undefined }), toPark(8, { record: bare })]);
    const found = await store.read(['a'], [P0], PAGE);
    expect(found.map((parked) => plain(parked.record))).toEqual([plain(record), plain(bare)]);
  });

  it('are in the order of their parking, lane by lane, and parked once however often they are delivered', async () => {
    const { store } = opened.group();
    await store.park([toPark(3, { attempts: 1, delayMs: 60_000 }), toPark(4), toPark(5, { lane: 'b\0topic' })]);
    await store.park([toPark(4), toPark(3), toPark(6), toPark(6)]);
    const found = await store.read(['a', 'b\0topic'], [P0], PAGE);
    expect(offsets(found.filter(({ lane }) => lane === 'a'))).toEqual([3, 4, 6]);
    expect(offsets(found.filter(({ lane }) => lane !== 'a'))).toEqual([5]);
    expect(found.map(({ isLast }) => isLast)).toEqual([false, false, true, true]);
    expect(found[0]).toMatchObject({ attempts: 1, blocked: false });
    expect(found[0]!.dueInMs).toBeGreaterThan(50_000);
    expect(found[1]!.dueInMs).toBe(0);
  });

  it('are parked beside what waits since before their topic was made again, with the same offset', async () => {
    const { store } = opened.group();
    const { event, record } = toPark(1);
    const anotherEvent = toPark(1, { event: { ...event!, id: 'another' } });
    const anotherTime = toPark(1, { event: undefined, record: { ...record, timestampMs: record.timestampMs + 1 } });
    const unreadable = toPark(1, { event: undefined });
    const all = [toPark(1), anotherEvent, anotherTime, unreadable];
    for (const parked of [...all, ...all]) await store.park([parked]);
    const found = await store.read(['a'], [P0], PAGE);
    expect(found.map((parked) => parked.record.timestampMs - record.timestampMs)).toEqual([0, 0, 1, 0]);
  });

  it('are refused together, and say so, when one of them can never be kept', async () => {
    const { store } = opened.group();
    const odd = toPark(2, { record: { ...toPark(2).record, timestampMs: 2 ** 63 } });
    await expect(store.park([toPark(1), odd, toPark(3)])).rejects.toMatchObject({ code: 'PARKING_REFUSED' });
    expect(await store.heads([P0])).toEqual([]);
    await store.park([toPark(1)]);
    const parked = await first(store);
    const error = { code: 'CALL_FAILED', message: 'with\0nul' } as const;
    const again = { kind: 'again', parked, attempts: 2, delayMs: 0, firstFailedAtMs: 0, error } as const;
    await expect(store.settle([again])).rejects.toMatchObject({ code: 'PARKING_REFUSED' });
    expect(await first(store)).toMatchObject({ attempts: 0 });
  });

  it('are read page by page', async () => {
    const { store } = opened.group();
    await store.park([1, 2, 3, 4, 5].map((at) => toPark(at)));
    const page = await store.read(['a'], [P0], { recordsMax: 3, bytesMax: 1_000_000 });
    expect(offsets(page)).toEqual([1, 2, 3]);
    expect(page.map(({ isLast }) => isLast)).toEqual([false, false, false]);
    await store.settle(page.map((parked) => ({ kind: 'finished', parked })));
    const rest = await store.read(['a'], [P0], { recordsMax: 3, bytesMax: 1_000_000 });
    expect(offsets(rest)).toEqual([4, 5]);
    expect(rest.map(({ isLast }) => isLast)).toEqual([false, true]);
  });

  it('are those of the partitions that are asked for', async () => {
    const { store } = opened.group();
    await store.park([toPark(1), toPark(1, { partition: 1 }), toPark(2, { partition: 1, lane: 'b' })]);
    expect(offsets(await store.read(['a'], [P1], PAGE))).toEqual([1]);
    expect(await store.read(['a'], [], PAGE)).toEqual([]);
    const heads = await store.heads([P0, P1]);
    expect(heads.map(({ lane, partition }) => `${lane}${partition}`).sort()).toEqual(['a0', 'a1', 'b1']);
    expect((await store.heads([P0])).map(({ lane }) => lane)).toEqual(['a']);
    expect(await store.survey([P1])).toMatchObject({ records: 2, lanes: 2 });
    expect(await store.survey([])).toMatchObject({ records: 0, lanes: 0, oldestAgeMs: 0, blockedForMs: 0 });
  });

  it('wait again with another attempt, are blocked, or are gone, as their attempt ended', async () => {
    const { store } = opened.group();
    await store.park([toPark(1, { attempts: 1, firstFailedAtMs: 1_772_355_600_000 }), toPark(2), toPark(3)]);
    const error = { code: 'HANDLER_FAILED', message: 'no' } as const;
    const one = await first(store);
    await store.settle([{ kind: 'again', parked: one, attempts: 2, delayMs: 5_000, firstFailedAtMs: 0, error }]);
    const again = await first(store);
    expect(again).toMatchObject({ attempts: 2, blocked: false, firstFailedAtMs: 1_772_355_600_000 });
    expect(again.dueInMs).toBeGreaterThan(1_000);
    const [, two] = await store.read(['a'], [P0], PAGE);
    await store.settle([
      { kind: 'blocked', parked: again, attempts: 3, error },
      { kind: 'finished', parked: two! },
    ]);
    expect(await store.read(['a'], [P0], PAGE)).toMatchObject([
      { attempts: 3, blocked: true, dueInMs: 0 },
      { attempts: 0, blocked: false },
    ]);
    expect(await store.heads([P0])).toMatchObject([{ lane: 'a', blocked: true }]);
    expect(await store.survey([P0])).toMatchObject({ records: 2, lanes: 1, blockedLanes: 1 });
  });

  it('keep what was counted by somebody else, and do not come back when they are gone', async () => {
    const { store } = opened.group();
    await store.park([toPark(1, { attempts: 1 })]);
    const before = await first(store);
    const error = { code: 'HANDLER_FAILED', message: 'no' } as const;
    const again = { kind: 'again', parked: before, delayMs: 0, firstFailedAtMs: 0, error } as const;
    await store.settle([{ ...again, attempts: 2 }]);
    await store.settle([{ ...again, attempts: 5 }]);
    expect(await first(store)).toMatchObject({ attempts: 2 });
    await store.settle([{ kind: 'finished', parked: before }]);
    await store.settle([
      { kind: 'finished', parked: before },
      { ...again, attempts: 3 },
    ]);
    expect(await store.heads([P0])).toEqual([]);
  });

  it('stay, with fresh attempts and in their place, when their letter was given back before they were taken for given up', async () => {
    const { store, giveBack } = opened.group();
    const error = { code: 'HANDLER_FAILED', message: 'no' } as const;
    await store.park([toPark(1, { delayMs: 60_000 }), toPark(2, { attempts: 3 })]);
    const { revision } = await store.survey([P0]);
    const before = await first(store);
    await giveBack(toPark(1));
    expect((await store.survey([P0])).revision).toBeGreaterThan(revision);
    await store.settle([{ kind: 'buried', parked: before }]);
    await store.settle([{ kind: 'blocked', parked: before, attempts: 1, error }]);
    const given = await store.read(['a'], [P0], PAGE);
    expect(offsets(given)).toEqual([1, 2]);
    expect(given[0]).toMatchObject({ attempts: 0, blocked: false, dueInMs: 0 });
    // Whoever read it since then may give it up again; and what had its effect is over, whoever gave it back.
    await store.settle([{ kind: 'blocked', parked: given[0]!, attempts: 1, error }]);
    expect(await first(store)).toMatchObject({ attempts: 1, blocked: true });
    await giveBack(toPark(1));
    expect(await first(store)).toMatchObject({ attempts: 0, blocked: false });
    await store.settle([{ kind: 'buried', parked: await first(store) }]);
    expect(offsets(await store.read(['a'], [P0], PAGE))).toEqual([2]);
    const two = await first(store);
    await giveBack(toPark(2));
    expect(await first(store)).toMatchObject({ attempts: 0 });
    await store.settle([{ kind: 'finished', parked: two }]);
    expect(await store.heads([P0])).toEqual([]);
  });
});

/** Bytes as text, whatever kind of array holds them. */
function plain({ key, value, headers, ...rest }: ParkedRecord['record']): object {
  const hex = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString('hex'));
  return { ...rest, key: hex(key), value: hex(value), headers: headers.map(([name, content]) => [name, hex(content)]) };
}
