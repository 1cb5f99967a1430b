import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import type { ProducerRecord } from '../../core/record.ts';
import { utf8, utf8Text } from '../../core/record.ts';
import { settle } from '../../test/support/manual-clock.ts';
import { DeadLetterWriter } from './dead-letter-writer.ts';

const letter = (value: string, partition = 0): ProducerRecord => ({
  topic: 't.dlt',
  partition,
  key: null,
  value: utf8(value),
  headers: [],
});

/** A producer whose sends end when the test says so. */
function heldProducer() {
  const sends: { values: string[]; ok: () => void; fail: (error: Error) => void }[] = [];
  const send = (records: readonly ProducerRecord[]) =>
    new Promise<void>((ok, fail) => sends.push({ values: records.map(({ value }) => utf8Text(value!)), ok, fail }));
  return { sends, writer: new DeadLetterWriter({ send }) };
}

describe('the dead-letter writer', () => {
  it('keeps one batch of a partition in flight, gathers what comes meanwhile, and keeps its order', async () => {
    const { sends, writer } = heldProducer();
    const written: string[] = [];
    for (const value of ['a', 'b', 'c']) void writer.write(letter(value)).then(() => written.push(value));
    void writer.write(letter('x', 1));
    expect(sends.map(({ values }) => values)).toEqual([['a'], ['x']]);
    sends[0]!.ok();
    await settle();
    expect(sends.map(({ values }) => values)).toEqual([['a'], ['x'], ['b', 'c']]);
    expect(written).toEqual(['a']);
    sends[2]!.ok();
    await settle();
    expect(written).toEqual(['a', 'b', 'c']);
  });

  it('fails a whole batch when the topic is away, so that nobody waits for each letter of it', async () => {
    const { sends, writer } = heldProducer();
    const first = writer.write(letter('a'));
    const others = Promise.allSettled([writer.write(letter('b')), writer.write(letter('c'))]);
    sends[0]!.ok();
    await first;
    await settle();
    sends[1]!.fail(new ClassifiedError('KAFKA_UNAVAILABLE', 'away'));
    expect((await others).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(sends).toHaveLength(2);
  });

  it('isolates the letter that is too large', async () => {
    const limit = async (records: readonly ProducerRecord[]) => {
      await settle();
      if (records.some(({ value }) => value!.length > 5)) throw new ClassifiedError('RECORD_TOO_LARGE', 'too large');
    };
    const writer = new DeadLetterWriter({ send: limit });
    const results = await Promise.allSettled(['a', 'b', 'too large', 'c'].map((value) => writer.write(letter(value))));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
  });

  it('bounds a batch in records and bytes', async () => {
    const { sends, writer } = heldProducer();
    void writer.write(letter('first'));
    for (let n = 0; n < 201; n += 1) void writer.write(letter('x'));
    for (let n = 0; n < 3; n += 1) void writer.write(letter('y'.repeat(300_000)));
    const sizes: number[] = [];
    for (let n = 0; sends[n] !== undefined; n += 1) {
      sizes.push(sends[n]!.values.length);
      sends[n]!.ok();
      await settle();
    }
    expect(sizes).toEqual([1, 200, 2, 1, 1]);
  });
});
