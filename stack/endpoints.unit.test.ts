import { expect, test } from 'vitest';
import { givenByEnvironment, withoutPassword } from './endpoints.ts';

test('a part is given by its variable, and an empty variable gives nothing', () => {
  expect(givenByEnvironment({ POSTGRES_URL: 'postgres://u:p@h:1/', REDIS_URL: ' ', KAFKA_BROKERS: 'a:1,b:2' })).toEqual({
    postgres: 'postgres://u:p@h:1',
    kafka: 'a:1,b:2',
  });
});

test('tests read variables of their own and never the normal ones', () => {
  expect(givenByEnvironment({ POSTGRES_URL: 'postgres://production', MILLRACE_TEST_REDIS_URL: 'redis://r' }, 'MILLRACE_TEST_')).toEqual({
    redis: 'redis://r',
  });
});

test('an address is shown without its password', () => {
  expect(withoutPassword('postgres://millrace:secret@127.0.0.1:5432')).toBe('postgres://millrace:***@127.0.0.1:5432');
  expect(withoutPassword('redis://:secret@127.0.0.1')).toBe('redis://:***@127.0.0.1');
  expect(withoutPassword('127.0.0.1:9092')).toBe('127.0.0.1:9092');
});
