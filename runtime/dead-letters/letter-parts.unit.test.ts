import { describe, expect, it } from 'vitest';
import { halvesOf } from '../../connectors/outbox/dead-letter.ts';
import type { RecordTail } from '../../connectors/outbox/batch-records.ts';
import { textHeader, utf8, utf8Text } from '../../core/record.ts';
import { createInMemoryBroker } from '../kafka/in-memory-broker.ts';
import { assemble, findParts } from './letter-parts.ts';
import { readLetter } from './letter.ts';

const TOPIC = 'capture.scan.dlt';
const TEXT = '{"text":"a payload that is too large for one letter"}';

/** What the relay makes of a message that is too large, divided so often. */
function partsOf(id: string, times: number): RecordTail[] {
  const headers = [textHeader('id', id), textHeader('type', 'ScanRequested'), textHeader('dlt-error-class', 'dead-letter')];
  const why = [textHeader('dlt-error-code', 'RECORD_TOO_LARGE'), textHeader('dlt-error-message', 'too large')];
  let letters: RecordTail[] = [{ key: utf8('u1'), value: utf8(TEXT), headers: [...headers, ...why] }];
  for (let time = 0; time < times; time += 1) letters = letters.flatMap((letter) => halvesOf(letter) ?? [letter]);
  return letters;
}

async function topicOf(letters: readonly RecordTail[]) {
  const broker = createInMemoryBroker();
  await broker.admin().ensureTopics([{ topic: TOPIC, partitions: 3, retentionMs: 1e9, replicationFactor: 1 }]);
  const producer = broker.producer({ clientId: 'test' });
  await producer.send(
    letters.map(({ key, value, headers }) => ({ topic: TOPIC, partition: 1, key, value, headers, timestampMs: Date.now() })),
  );
  return { reader: broker.logReader(), found: broker.records(TOPIC).map(readLetter) };
}

describe('a payload that is kept in parts', () => {
  it('is found whole from any of its letters, among others and with repetitions', async () => {
    const parts = partsOf('a', 2);
    const { reader, found } = await topicOf([...partsOf('b', 1), parts[0]!, parts[1]!, ...partsOf('c', 0), ...parts]);
    for (const letter of found.filter(({ eventId }) => eventId === 'a')) {
      const whole = await findParts(reader, letter);
      expect([utf8Text(whole!.whole!), whole!.totalBytes, whole!.found]).toEqual([TEXT, TEXT.length, 4]);
    }
    expect(
      await findParts(
        reader,
        found.find(({ eventId }) => eventId === 'c')!,
      ),
    ).toBeUndefined();
    // The letter itself is the record as it was: what the capture added is not among its headers.
    expect(found[0]!.headers.map(([name]) => name)).toEqual(['id', 'type']);
  });

  it('is not put together while a part is missing, and says how many there are', async () => {
    const [first, , third] = partsOf('a', 2);
    const { reader, found } = await topicOf([first!, third!]);
    expect(await findParts(reader, found[0]!)).toEqual({ found: 2, totalBytes: TEXT.length, whole: undefined });
  });

  it('may have been divided differently when it was written twice', () => {
    const part = (from: number, text: string) => ({ from, to: from + text.length, bytes: utf8(text) });
    expect(utf8Text(assemble([part(0, 'abcd'), part(2, 'cdef')], 6)!)).toBe('abcdef');
    expect(assemble([part(0, 'ab'), part(3, 'def')], 6)).toBeUndefined();
    expect(assemble([part(0, 'abcdef')], 1e12)).toBeUndefined();
  });
});
