import { describe, expect, it } from 'vitest';
import type { LogReader } from './log-reader.ts';
import { offset } from './offset.ts';
import { slicesUpTo } from './whole-log.ts';

const WHERE = { topic: 't', partition: 0 };

/** Answers with these next offsets, one after the other. */
function readerOf(nexts: bigint[]): LogReader {
  const never = async (): Promise<never> => Promise.reject(new Error('not asked for'));
  return {
    describe: never,
    offsetsSince: never,
    read: async () => ({ records: [], next: offset(nexts.shift() ?? 0n), end: offset(9n) }),
    stop: async () => undefined,
  };
}

async function read(nexts: bigint[]): Promise<bigint[]> {
  const seen: bigint[] = [];
  for await (const { next } of slicesUpTo(readerOf(nexts), WHERE, offset(0n), offset(9n))) seen.push(next);
  return seen;
}

describe('a log that is read as a whole', () => {
  it('is read up to its end, over what is gone', async () => {
    expect(await read([4n, 7n, 9n])).toEqual([4n, 7n, 9n]);
    expect(await read([12n])).toEqual([12n]);
  });

  it('does not end where a broker gives nothing more, nor begin again', async () => {
    await expect(read([4n, 4n])).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    await expect(read([4n, 2n])).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
  });
});
