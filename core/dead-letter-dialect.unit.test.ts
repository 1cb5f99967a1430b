import { describe, expect, it } from 'vitest';
import type { FailureFacts } from './dead-letter-dialect.ts';
import { dialectHeaders, failureMessage } from './dead-letter-dialect.ts';
import { ClassifiedError } from './errors.ts';
import { offset } from './offset.ts';
import { utf8Text } from './record.ts';

const facts: FailureFacts = {
  topic: 'events.scan.requested',
  partition: 258,
  offset: offset(2n ** 40n + 1n),
  timestampMs: 1_772_355_600_007,
  group: 'processor.scan',
  reader: 'processor.scan',
  service: 'millrace',
  attempts: 4,
  error: new ClassifiedError('PAYLOAD_UNREADABLE', 'the body ends early', { cause: new Error('row: secret') }),
};

describe('the headers of Spring for Apache Kafka', () => {
  const headers = new Map(dialectHeaders(['spring'], facts));

  it('have the names of KafkaHeaders, numbers as big-endian bytes and the rest as text', () => {
    expect([...headers.keys()]).toEqual([
      'kafka_dlt-original-topic',
      'kafka_dlt-original-partition',
      'kafka_dlt-original-offset',
      'kafka_dlt-original-timestamp',
      'kafka_dlt-original-timestamp-type',
      'kafka_dlt-original-consumer-group',
      'kafka_dlt-exception-fqcn',
      'kafka_dlt-exception-message',
      'kafka_deliveryAttempt',
    ]);
    expect([...headers.get('kafka_dlt-original-partition')!]).toEqual([0, 0, 1, 2]);
    expect([...headers.get('kafka_dlt-original-offset')!]).toEqual([0, 0, 1, 0, 0, 0, 0, 1]);
    expect(Buffer.from(headers.get('kafka_dlt-original-timestamp')!).readBigInt64BE()).toBe(1_772_355_600_007n);
    expect([...headers.get('kafka_deliveryAttempt')!]).toEqual([0, 0, 0, 4]);
    expect(utf8Text(headers.get('kafka_dlt-original-timestamp-type')!)).toBe('CreateTime');
    expect(utf8Text(headers.get('kafka_dlt-original-consumer-group')!)).toBe('processor.scan');
    expect(utf8Text(headers.get('kafka_dlt-exception-fqcn')!)).toBe('millrace.PAYLOAD_UNREADABLE');
  });

  it('leave out what is not known', () => {
    const { topic: _, partition: __, offset: ___, timestampMs: ____, group: _____, attempts: ______, ...known } = facts;
    expect(dialectHeaders(['spring'], { ...known, topic: undefined }).map(([name]) => name)).toEqual([
      'kafka_dlt-exception-fqcn',
      'kafka_dlt-exception-message',
    ]);
  });
});

describe("the headers of Kafka Connect's error reporter", () => {
  it('have its names, and are all text', () => {
    expect(dialectHeaders(['connect'], facts).map(([name, value]) => [name, utf8Text(value!)])).toEqual([
      ['__connect.errors.topic', 'events.scan.requested'],
      ['__connect.errors.partition', '258'],
      ['__connect.errors.offset', '1099511627777'],
      ['__connect.errors.connector.name', 'processor.scan'],
      ['__connect.errors.task.id', '0'],
      ['__connect.errors.stage', 'VALUE_CONVERTER'],
      ['__connect.errors.class.name', 'millrace'],
      ['__connect.errors.exception.class.name', 'millrace.PAYLOAD_UNREADABLE'],
      ['__connect.errors.exception.message', 'the body ends early'],
    ]);
  });
});

describe('the headers of any dialect', () => {
  it('come in the order that was asked for, and say nothing of the cause', () => {
    const headers = dialectHeaders(['connect', 'spring'], facts);
    expect(headers[0]?.[0]).toBe('__connect.errors.topic');
    expect(headers.map(([, value]) => utf8Text(value!)).join()).not.toContain('secret');
  });

  it('cut a long message at 1 KiB and between characters', () => {
    expect(failureMessage(new ClassifiedError('CALL_FAILED', '각'.repeat(600)))).toBe('각'.repeat(341));
  });
});
