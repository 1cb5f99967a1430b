import { describe, expect, it } from 'vitest';
import { classifyRedisError, isScriptMissing } from './classify-redis-error.ts';

function reply(message: string): Error {
  const error = new Error(message);
  error.name = 'ReplyError';
  return error;
}

describe('an error of Redis', () => {
  it.each([
    ['LOADING Redis is loading the dataset in memory'],
    ['CLUSTERDOWN The cluster is down'],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."],
    ["READONLY You can't write against a read only replica."],
    ["OOM command not allowed when used memory > 'maxmemory'."],
    ['MISCONF Redis is configured to save RDB snapshots'],
    ['NOREPLICAS Not enough good replicas to write.'],
    ['NOAUTH Authentication required.'],
    ['ERR max number of clients reached'],
    // As Redis 6 and Redis 7 wrap what went wrong inside a script.
    ["ERR Error running script (call to f_0): @user_script:9: @user_script: 9: -OOM command not allowed when used memory > 'maxmemory'."],
    ["READONLY You can't write against a read only replica. script: 0, on @user_script:9."],
  ])('that passes when the server has recovered is an outage: %s', (message) => {
    expect(classifyRedisError(reply(message))).toMatchObject({ code: 'REDIS_UNAVAILABLE', disposition: 'outage' });
  });

  it.each([
    ['Connection is closed.'],
    ['Command timed out'],
    ["Stream isn't writeable and enableOfflineQueue options is false"],
    ['connect ECONNREFUSED 127.0.0.1:6379'],
    ['Reached the max retries per request limit (which is 0).'],
  ])('of the connection is an outage: %s', (message) => {
    expect(classifyRedisError(new Error(message))).toMatchObject({ code: 'REDIS_UNAVAILABLE' });
  });

  it.each([
    ['WRONGTYPE Operation against a key holding the wrong kind of value'],
    ['ERR Error running script (call to f_0): @user_script:5: WRONGTYPE Operation against a key'],
    ['ERR value is not a valid float script: 0, on @user_script:9.'],
  ])('that stays is the fault of the document: %s', (message) => {
    expect(classifyRedisError(reply(message))).toMatchObject({ code: 'DOCUMENT_INVALID', disposition: 'dead-letter' });
  });

  it('that nobody knows is neither, and so is a wrong call', () => {
    expect(classifyRedisError(reply('ERR something new'))).toMatchObject({ code: 'UNCLASSIFIED', disposition: 'retry-ladder' });
    expect(classifyRedisError(new TypeError('not a function'))).toMatchObject({ code: 'UNCLASSIFIED' });
  });

  it('keeps what the server said out of the message', () => {
    const error = classifyRedisError(reply('ERR Error running script: secret-value WRONGTYPE'));
    expect(error.message).not.toContain('secret-value');
    expect(error.cause).toBeInstanceOf(Error);
  });

  it('tells a script that must be sent again', () => {
    expect(isScriptMissing(reply('NOSCRIPT No matching script. Please use EVAL.'))).toBe(true);
    expect(isScriptMissing(reply('ERR no'))).toBe(false);
  });
});
