import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ProducerRecord } from '../../core/record.ts';
import { utf8 } from '../../core/record.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { eventually } from '../../test/support/eventually.ts';
import { letterRecord } from '../../test/support/letters.ts';
import { LettersUnderTest } from '../../test/support/letters-under-test.ts';
import { systemClock } from '../telemetry/system-clock.ts';
import { LetterArchive } from './archive.ts';
import { sweepAudit } from './audit-sweep.ts';
import { countLetters } from './count-letters.ts';
import { deleteLettersBefore, discardLetters } from './discard.ts';
import type { LetterFilter } from './letter-filter.ts';
import { UNHANDLED } from './letter-filter.ts';
import type { FoundLetter } from './found-letter.ts';
import { formatPlace } from './letter.ts';
import type { LetterState } from './letter-states.ts';

const HOUR_MS = 3_600_000;
const signal = new AbortController().signal;
let given: LettersUnderTest;

beforeAll(async () => {
  given = await LettersUnderTest.open('letters');
});
afterAll(() => given.close());
beforeEach(async () => {
  await makeAnew();
});

/** The topic, empty and with another id. A broker may know the old one for a moment. */
async function makeAnew(): Promise<void> {
  const { topic } = given.queue;
  await given.admin.deleteTopics([topic]);
  await eventually(async () => !(await given.admin.listTopics()).includes(topic));
  await eventually(async () => given.makeTopicOf(given.queue));
}

/** A letter of the group, about the n-th event of a key, written so many milliseconds ago. */
function letter(
  n: number,
  more: { readonly key?: string; readonly code?: 'CALL_FAILED'; readonly ageMs?: number; readonly partition?: number } = {},
): ProducerRecord {
  const { topic, group, source } = given.queue;
  const { partition = 0, key = 'ada' } = more;
  const record = { ...consumedRecord({ at: n, key, type: 'CharacterAcquired', partition }), topic: source };
  const writtenAtMs = Date.now() - (more.ageMs ?? 0);
  const { value, headers, timestampMs } = letterRecord({
    at: n,
    record,
    group,
    writtenAtMs,
    ...(more.code === undefined ? {} : { code: more.code }),
  });
  return { topic, partition, key: utf8(key), value, headers, timestampMs };
}

async function all(filter: LetterFilter = {}): Promise<FoundLetter[]> {
  const found: FoundLetter[] = [];
  for await (const each of given.letters.log.read([given.queue], filter)) found.push(each);
  return found;
}
const places = (found: readonly FoundLetter[]): string[] => found.map(({ letter: { place } }) => `${place.partition}/${place.offset}`);

describe('dead letters in their topic', () => {
  it('are found by what they say, and are open until somebody decides', async () => {
    await given.send([letter(1), letter(2, { code: 'CALL_FAILED' }), letter(3, { key: 'bob', partition: 1, ageMs: 2 * HOUR_MS })]);
    expect(places(await all())).toEqual(['0/0', '0/1', '1/0']);
    expect(places(await all({ code: 'CALL_FAILED' }))).toEqual(['0/1']);
    expect(places(await all({ key: 'bob' }))).toEqual(['1/0']);
    expect(places(await all({ writtenFromMs: Date.now() - HOUR_MS }))).toEqual(['0/0', '0/1']);
    expect(places(await all({ writtenBeforeMs: Date.now() - HOUR_MS }))).toEqual(['1/0']);
    expect((await all()).map(({ state }) => state)).toEqual(['open', 'open', 'open']);
    const seen: [number, number][] = [];
    for await (const _ of given.letters.log.read([given.queue], {}, { onProgress: (done, total) => seen.push([done, total]) }));
    expect(seen.at(-1)).toEqual([3, 3]);
  });

  it('stop being read when the reader is told to', async () => {
    await given.send([letter(1)]);
    const reading = given.letters.log.read([given.queue], {}, { signal: AbortSignal.abort(new Error('enough')) });
    await expect(reading.next()).rejects.toThrow('enough');
  });

  it('are counted by state without being read', async () => {
    await given.send([letter(1), letter(2), letter(3, { partition: 1 })]);
    const count = async () => (await countLetters(given.connections.logReader(), given.letters.states, [given.queue])).queues[0];
    expect(await count()).toMatchObject({ open: 3, archived: 0 });
    await discardLetters(
      [given.queue],
      { before: { topic: given.queue.topic, partition: 0, offset: 1n as never } },
      { ...given.letters, actor: 'olga' },
    );
    expect(await count()).toMatchObject({ open: 2, archived: 0 });
  });

  it('are other letters when their topic was made again, whatever was decided on those at the same places', async () => {
    await given.send([letter(1)]);
    await discardLetters([given.queue], {}, { ...given.letters, actor: 'olga' });
    await makeAnew();
    await given.send([letter(1)]);
    expect((await all()).map(({ state }) => state)).toEqual(['open']);
  });
});

describe('a purge', () => {
  it('marks what fits and is not handled, once, with an audit row each', async () => {
    await given.send([letter(1), letter(2, { code: 'CALL_FAILED' }), letter(3)]);
    const options = { ...given.letters, actor: 'olga', detail: 'test data' };
    const sums: number[] = [];
    const told = { ...options, onDiscarded: (sum: number) => sums.push(sum) };
    expect(await discardLetters([given.queue], { code: 'DECISION_FAILED' }, told)).toBe(2);
    expect(sums.at(-1)).toBe(2);
    expect(await discardLetters([given.queue], { code: 'DECISION_FAILED' }, options)).toBe(0);
    const found = await all();
    expect(found.map(({ state }) => state)).toEqual<LetterState[]>(['discarded', 'open', 'discarded']);
    const [first, second] = found;
    expect(await given.letters.states.audit(first!.topicId, first!.letter)).toMatchObject([
      { action: 'discarded', actor: 'olga', detail: 'test data' },
    ]);
    expect(await given.letters.states.audit(second!.topicId, second!.letter)).toEqual([]);
  });

  it('by two people at once marks each letter once', async () => {
    await given.send(Array.from({ length: 40 }, (_, n) => letter(n)));
    const counts = await Promise.all(['olga', 'otto'].map((actor) => discardLetters([given.queue], {}, { ...given.letters, actor })));
    expect(counts.reduce((sum, count) => sum + count)).toBe(40);
  });

  it('that deletes removes what lies before a place of one partition from Kafka, after noting what nobody had handled', async () => {
    await given.send([letter(1), letter(2), letter(3), letter(4, { partition: 1 })]);
    const [, , third] = await all();
    const discarded = await deleteLettersBefore(given.queue, third!.letter.place, given.admin, { ...given.letters, actor: 'olga' });
    expect(discarded).toBe(2);
    const left = await all();
    expect(places(left)).toEqual(['0/2', '1/0']);
    expect(left.map(({ state }) => state)).toEqual(['open', 'open']);
    const counted = await countLetters(given.connections.logReader(), given.letters.states, [given.queue]);
    expect(await given.letters.states.forgetGone(counted.partitions)).toBe(2);
  });
});

describe('the audit', () => {
  it('is swept of what is past its retention, and of nothing younger than thirty days', async () => {
    const platform = given.connections.platform();
    const insert = (ageDays: number, rows: number): Promise<number> =>
      platform.execute(
        `INSERT INTO millrace.dead_letter_audit (action, actor, group_name, topic, partition, record_offset, created_at)
         SELECT 'aged', 'test', 'g', 't', 0, i, now() - make_interval(days => $1::int) FROM generate_series(1, $2::int) AS i`,
        [ageDays, rows],
      );
    for (const [age, rows] of [
      [500, 2_500],
      [401, 1],
      [399, 2],
      [29, 3],
    ] as const)
      await insert(age, rows);
    const left = async (): Promise<number> =>
      Number((await platform.query<{ n: bigint }>("SELECT count(*) AS n FROM millrace.dead_letter_audit WHERE action = 'aged'"))[0]?.n);
    expect(await sweepAudit(platform, 400, signal)).toBe(2_501);
    expect(await left()).toBe(5);
    expect(await sweepAudit(platform, 1, signal)).toBe(2);
    expect(await left()).toBe(3);
    expect(await sweepAudit(platform, 400, AbortSignal.abort())).toBe(0);
  });
});

describe('the archive', () => {
  let folder: string;
  const archive = (failpoint?: () => Promise<void>): LetterArchive =>
    new LetterArchive({
      ...{ reader: given.connections.logReader(), states: given.letters.states, platform: given.connections.platform() },
      ...{ folder, afterMs: HOUR_MS, clock: systemClock, ...(failpoint === undefined ? {} : { failpoint }) },
    });
  /** Every line of every file, by the letter's place. */
  const archived = async (): Promise<{ letter: string; value: string | null }[]> => {
    const files = await readdir(folder, { recursive: true, withFileTypes: true });
    const texts = await Promise.all(
      files.filter((file) => file.name.endsWith('.ndjson')).map((file) => readFile(join(file.parentPath, file.name), 'utf8')),
    );
    const lines = texts.flatMap((text) => text.split('\n').filter((line) => line !== ''));
    return lines.map((line) => JSON.parse(line) as { letter: string; value: string | null });
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-archive-'));
    return () => rm(folder, { recursive: true });
  });

  it('takes what is old and not handled, with its bytes, and leaves it in Kafka to be replayed', async () => {
    await given.send([letter(1, { ageMs: 3 * HOUR_MS }), letter(2, { ageMs: 2 * HOUR_MS }), letter(3)]);
    await discardLetters(
      [given.queue],
      { before: { topic: given.queue.topic, partition: 0, offset: 1n as never } },
      { ...given.letters, actor: 'olga' },
    );
    expect(await archive().pass([given.queue], signal)).toBe(1);
    expect((await all()).map(({ state }) => state)).toEqual<LetterState[]>(['discarded', 'archived', 'open']);
    expect(places(await all({ states: UNHANDLED }))).toEqual(['0/1', '0/2']);
    const [line] = await archived();
    const [, second] = await all();
    expect(line?.letter).toBe(formatPlace(second!.letter.place));
    expect(Buffer.from(line?.value ?? '', 'base64')).toEqual(Buffer.from(second!.letter.value!));
    expect(await archive().pass([given.queue], signal)).toBe(0);
  });

  it('makes a file for each day and each stretch', async () => {
    await given.send([
      letter(1, { ageMs: 49 * HOUR_MS }),
      letter(2, { ageMs: 25 * HOUR_MS }),
      letter(3, { ageMs: 25 * HOUR_MS, partition: 1 }),
    ]);
    expect(await archive().pass([given.queue], signal)).toBe(3);
    const days = await readdir(join(folder, given.queue.topic));
    expect(days).toHaveLength(2);
    expect(await archived()).toHaveLength(3);
  });

  it('has each letter in one file although it died between the file and the mark, and two go on at once', async () => {
    await given.send(Array.from({ length: 30 }, (_, n) => letter(n, { ageMs: 2 * HOUR_MS, partition: n % 2 })));
    const dies = async (): Promise<void> => Promise.reject(new Error('killed'));
    await expect(archive(dies).pass([given.queue], signal)).rejects.toThrow('killed');
    expect((await archived()).length).toBeGreaterThan(0);
    expect((await all()).every(({ state }) => state === 'open')).toBe(true);
    const counts = await Promise.all([archive().pass([given.queue], signal), archive().pass([given.queue], signal)]);
    expect(counts.reduce((sum, count) => sum + count)).toBe(30);
    const lines = (await archived()).map(({ letter: place }) => place);
    expect(lines).toHaveLength(30);
    expect(new Set(lines).size).toBe(30);
    expect((await all()).every(({ state }) => state === 'archived')).toBe(true);
  });
});
