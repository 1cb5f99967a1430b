import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { bank } from '../../test/support/bank-domain.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { LETTER_TOPIC, letterOf } from '../../test/support/letters.ts';
import { archiveLine, parseArchiveLine } from './archive-file.ts';
import { ArchivedLetters, archiveStates } from './archived-letters.ts';
import type { FoundLetter } from './found-letter.ts';
import type { LetterFilter } from './letter-filter.ts';
import { UNHANDLED } from './letter-filter.ts';
import type { GroupQueue } from './letter-queues.ts';
import type { LetterState, LetterStates } from './letter-states.ts';
import { formatPlace, originalRecord } from './letter.ts';

const queue: GroupQueue = {
  ...{ topic: LETTER_TOPIC, group: 'processor.scan', source: 'events.happened', overtakingTopics: new Set<string>() },
  reader: { kind: 'processor', domain: bank },
};
const letter = (at: number) => letterOf({ at, record: consumedRecord({ at: at + 100, key: `u${at}`, value: { text: 'é\n"{' } }) });
const line = (at: number, topicId = 'id-1') => `${archiveLine(letter(at), topicId)}\n`;

let folder: string;
const decided = new Map<string, LetterState>();
const states = {
  decidedOf: async () => decided,
  topicIdOf: async (_topic: string, beginning: string) => (beginning === 'abcdefgh' ? 'abc-defgh-whole' : undefined),
};

beforeEach(async () => {
  decided.clear();
  folder = await mkdtemp(join(tmpdir(), 'millrace-archived-'));
  return () => rm(folder, { recursive: true });
});

async function found(archive: ArchivedLetters, filter: LetterFilter = {}): Promise<FoundLetter[]> {
  const all: FoundLetter[] = [];
  for await (const each of archive.read([queue], filter)) all.push(each);
  return all;
}
const offsets = (all: readonly FoundLetter[]) => all.map((each) => Number(each.letter.place.offset));

describe('a line of the archive', () => {
  it('becomes the letter that it was written from, whose record is the same byte for byte', () => {
    const archived = parseArchiveLine(archiveLine(letter(7), 'id-1'));
    expect(archived?.topicId).toBe('id-1');
    const { key, value, headers, ...facts } = originalRecord(archived!.letter)!;
    const record = originalRecord(letter(7))!;
    expect(facts).toEqual({ topic: record.topic, partition: record.partition, offset: record.offset, timestampMs: record.timestampMs });
    expect([Buffer.from(key!), Buffer.from(value!)]).toEqual([Buffer.from(record.key!), Buffer.from(record.value!)]);
    expect(headers.map(([name, bytes]) => [name, Buffer.from(bytes!)])).toEqual(
      record.headers.map(([name, bytes]) => [name, Buffer.from(bytes!)]),
    );
    expect(archived?.letter).toMatchObject({ errorCode: 'DECISION_FAILED', attempts: 4, group: 'processor.scan', replays: 0 });
  });

  it('is no letter when it is anything else', () => {
    for (const text of ['', '{}', 'null', '[1]', line(1).slice(0, -20), JSON.stringify({ letter: 'x', headers: [] })])
      expect(parseArchiveLine(text)).toBeUndefined();
  });
});

describe('archived letters', () => {
  it('are found in a file, or in the files of a folder, by the same conditions as those in Kafka', async () => {
    await mkdir(join(folder, LETTER_TOPIC, '2026-03-02'), { recursive: true });
    const file = join(folder, LETTER_TOPIC, '2026-03-02', '0-0-id1.ndjson');
    await writeFile(file, line(0) + line(1));
    await writeFile(join(folder, LETTER_TOPIC, '2026-03-02', '0-2-id1.ndjson'), line(2) + line(1));
    await writeFile(join(folder, 'notes.txt'), 'no archive');
    expect(offsets(await found(new ArchivedLetters(file, states)))).toEqual([0, 1]);
    // A letter that is in two files counts once.
    expect(offsets(await found(new ArchivedLetters(folder, states)))).toEqual([0, 1, 2]);
    expect(offsets(await found(new ArchivedLetters(folder, states), { key: 'u2' }))).toEqual([2]);
    decided.set(`id-1 ${formatPlace(letter(1).place)}`, 'replayed');
    expect(offsets(await found(new ArchivedLetters(folder, states), { states: UNHANDLED }))).toEqual([0, 2]);
    expect((await found(new ArchivedLetters(folder, states))).map(({ state }) => state)).toEqual(['archived', 'replayed', 'archived']);
  });

  it('are chosen without their content, and read again with it', async () => {
    await writeFile(join(folder, 'a.ndjson'), line(0) + line(1) + line(2));
    const archive = new ArchivedLetters(folder, states);
    const all = await found(archive);
    expect(all.every(({ letter: { value, headers } }) => value === null && headers.length === 0)).toBe(true);
    const again = await archive.fetcher().fetch([all[2]!, all[0]!].map(({ letter: { place }, topicId }) => ({ queue, place, topicId })));
    expect(offsets(again)).toEqual([2, 0]);
    expect(Buffer.from(again[0]!.letter.value!)).toEqual(Buffer.from(letter(2).value!));
    await rm(join(folder, 'a.ndjson'));
    expect(await archive.fetcher().fetch([{ queue, place: letter(0).place, topicId: 'id-1' }])).toEqual([]);
  });

  it('belong to the topic that the file names when their lines are of before they said so', async () => {
    const old = line(0).replace('"topic_id":"id-1",', '');
    await writeFile(join(folder, '0-0-abcdefgh.ndjson'), old);
    expect((await found(new ArchivedLetters(folder, states)))[0]?.topicId).toBe('abc-defgh-whole');
  });

  it('are not read at all when a line is damaged: file and line are named, and nothing of what it holds', async () => {
    await writeFile(join(folder, 'a.ndjson'), `${line(0)}{"secret":1}\n`);
    const reading = found(new ArchivedLetters(folder, states));
    await expect(reading).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(/a\.ndjson, line 2, is no archived letter/),
    });
    await expect(reading).rejects.not.toThrow('secret');
    await expect(found(new ArchivedLetters(join(folder, 'nowhere'), states))).rejects.toThrow('there is no file or folder');
    await mkdir(join(folder, 'empty'));
    await expect(found(new ArchivedLetters(join(folder, 'empty'), states))).rejects.toThrow('holds no archive');
  });

  it('of two topics that had one name are told apart', async () => {
    decided.set(`id-1 ${formatPlace(letter(0).place)}`, 'replayed');
    const of = (topicIds: readonly string[]) =>
      archiveStates({ ...states, decide: undefined, settle: undefined } as unknown as LetterStates).of(
        topicIds.map((topicId) => ({ letter: letter(0), topicId })),
        undefined,
      );
    expect((await of(['id-1'])).size).toBe(1);
    expect((await of(['id-1', 'id-2'])).size).toBe(0);
  });
});
