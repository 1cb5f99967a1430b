import { expect, test } from 'vitest';
import { reasonOf } from './debezium-side.ts';

test('a stack trace is told by what happened and by its innermost cause', () => {
  const trace = [
    'org.apache.kafka.connect.errors.ConnectException: An exception occurred',
    '\tat io.debezium.Producer.run(Producer.java:1)',
    'Caused by: io.debezium.DebeziumException: outer',
    '\tat io.debezium.Other.run(Other.java:2)',
    'Caused by: java.io.EOFException: inner\r',
    '\t... 3 more',
  ].join('\n');
  expect(reasonOf(trace)).toBe(
    'org.apache.kafka.connect.errors.ConnectException: An exception occurred because of java.io.EOFException: inner',
  );
  expect(reasonOf('java.lang.Error: alone\n\tat x')).toBe('java.lang.Error: alone');
});
