import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { utf8Text } from '../../core/record.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { deadLetter } from './dead-letter.ts';

const why = {
  group: 'processor.scan',
  service: 'millrace',
  error: new ClassifiedError('CALL_FAILED', 'the classifier answered 500', { cause: new Error('row: secret') }),
  attempts: 4,
  firstFailedAtMs: Date.parse('2026-03-01T09:00:00Z'),
  failedAtMs: Date.parse('2026-03-01T09:06:10Z'),
};

describe('a dead letter', () => {
  const record = {
    ...consumedRecord({ at: 7, partition: 2 }),
    key: Uint8Array.of(0xff, 0x00),
    value: Uint8Array.of(0x00, 1, 2, 3),
    headers: [
      ['twice', Uint8Array.of(0xff)],
      ['twice', null],
    ] as const,
  };
  const letter = deadLetter(record, 'events.happened.processor.scan.dlt', why);

  it('keeps key, value and headers as they are, repeated and empty ones included', () => {
    expect(letter.key).toBe(record.key);
    expect(letter.value).toBe(record.value);
    expect(letter.headers.slice(0, 2)).toEqual(record.headers);
    expect(letter).toMatchObject({ topic: 'events.happened.processor.scan.dlt', partition: 2 });
  });

  it('says why, where and when in text, and nothing of the cause', () => {
    expect(letter.headers.slice(2).map(([name, value]) => [name, utf8Text(value!)])).toEqual([
      ['dlt-original-topic', 'events.happened'],
      ['dlt-original-partition', '2'],
      ['dlt-original-offset', '7'],
      ['dlt-original-timestamp', '1772355600007'],
      ['dlt-consumer-group', 'processor.scan'],
      ['dlt-error-class', 'retry-ladder'],
      ['dlt-error-code', 'CALL_FAILED'],
      ['dlt-error-message', 'the classifier answered 500'],
      ['dlt-attempts', '4'],
      ['dlt-first-failed-at', '2026-03-01T09:00:00.000Z'],
      ['dlt-failed-at', '2026-03-01T09:06:10.000Z'],
      ['dlt-service', 'millrace'],
    ]);
  });

  it('carries the headers of other dialects behind its own where they are wanted', () => {
    const names = deadLetter(record, 't', why, ['spring', 'connect']).headers.map(([name]) => name);
    expect(names.slice(0, letter.headers.length)).toEqual(letter.headers.map(([name]) => name));
    expect(names.slice(letter.headers.length)).toHaveLength(18);
    expect(names).toContain('kafka_dlt-original-consumer-group');
    expect(names).toContain('__connect.errors.connector.name');
  });

  it('says in every dialect where the record was, also of one that an adapter lays out only when it is asked', () => {
    const whole = consumedRecord({ at: 7, partition: 2 });
    const lazy = Object.create(whole) as typeof whole;
    expect(deadLetter(lazy, 't', why, ['spring', 'connect'])).toEqual(deadLetter(whole, 't', why, ['spring', 'connect']));
  });

  it('is as old as its writing, so that it is kept as long as any other letter', () => {
    expect(letter.timestampMs).toBeUndefined();
  });

  it('cuts a long message at 1 KiB and between characters', () => {
    const long = deadLetter(record, 't', { ...why, error: new ClassifiedError('CALL_FAILED', '각'.repeat(600)) });
    const [, message] = long.headers.find(([name]) => name === 'dlt-error-message')!;
    expect(utf8Text(message!)).toBe('각'.repeat(341));
  });
});
