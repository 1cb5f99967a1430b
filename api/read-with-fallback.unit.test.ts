import { setImmediate as tick } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../core/errors.ts';
import { captureLogger, captureMetrics } from '../test/support/api-harness.ts';
import type { Counted, LogLine } from '../test/support/api-harness.ts';
import { createReadWithFallback } from './read-with-fallback.ts';
import type { FallbackRead } from './read-with-fallback.ts';

function reader(options: { readonly readModelWithinMs?: number; readonly fillsMax?: number } = {}) {
  const lines: LogLine[] = [];
  const counted: Counted[] = [];
  return { lines, counted, read: createReadWithFallback({ logger: captureLogger(lines), metrics: captureMetrics(counted), ...options }) };
}

function stored(change: Partial<FallbackRead<string>> = {}) {
  const filled: string[] = [];
  const read: FallbackRead<string> = {
    query: 'characters',
    readModel: async () => undefined,
    writeDatabase: async () => 'written',
    fill: async (data) => void filled.push(data),
    ...change,
  };
  return { filled, read };
}

const fallbacks = (counted: readonly Counted[]): unknown[] => counted.map(({ labels }) => labels['reason']);

describe('a read', () => {
  it('is answered by the read model when it holds the document, empty ones included', async () => {
    const { read, counted } = reader();
    const { read: query, filled } = stored({ readModel: async () => '' });
    expect(await read(query)).toEqual({ data: '', source: 'read-model' });
    expect([counted, filled]).toEqual([[], []]);
  });

  it('falls back on a miss, and fills the read model behind the answer', async () => {
    const { read, counted } = reader();
    const { read: query, filled } = stored();
    expect(await read(query)).toEqual({ data: 'written', source: 'write-database' });
    expect(fallbacks(counted)).toEqual(['miss']);
    await tick();
    expect(filled).toEqual(['written']);
  });

  it('falls back while the read model is away, and does not try to fill it', async () => {
    const { read, counted, lines } = reader();
    const away = new ClassifiedError('REDIS_UNAVAILABLE', 'away');
    const { read: query, filled } = stored({ readModel: () => Promise.reject(away) });
    expect((await read(query)).source).toBe('write-database');
    await tick();
    expect([fallbacks(counted), filled, lines]).toEqual([['outage'], [], []]);
  });

  it('does not wait for a read model that hangs', async () => {
    const { read, counted } = reader({ readModelWithinMs: 20 });
    const { read: query } = stored({ readModel: () => new Promise(() => undefined) });
    expect((await read(query)).data).toBe('written');
    expect(fallbacks(counted)).toEqual(['outage']);
  });

  it('falls back when the read model answers nonsense, and says so in the log', async () => {
    const { read, counted, lines } = reader();
    const { read: query } = stored({ readModel: () => Promise.reject(new ClassifiedError('DOCUMENT_INVALID', 'not JSON')) });
    expect((await read(query)).data).toBe('written');
    expect(fallbacks(counted)).toEqual(['error']);
    expect(lines).toMatchObject([{ level: 'error', query: 'characters' }]);
  });

  it('rejects when both are away', async () => {
    const { read } = reader();
    const { read: query } = stored({ writeDatabase: () => Promise.reject(new ClassifiedError('POSTGRES_UNAVAILABLE', 'away')) });
    await expect(read(query)).rejects.toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
  });

  it('is answered although the fill fails', async () => {
    const { read, lines } = reader();
    const { read: query } = stored({ fill: () => Promise.reject(new Error('full')) });
    expect((await read(query)).data).toBe('written');
    await tick();
    expect(lines).toMatchObject([{ level: 'warn', message: 'the read model was not filled' }]);
  });

  it('leaves the fill to a later one when many are under way', async () => {
    const { read } = reader({ fillsMax: 1 });
    let fills = 0;
    const { read: query } = stored({
      fill: () => {
        fills += 1;
        return new Promise(() => undefined);
      },
    });
    await Promise.all([read(query), read(query), read(query)]);
    expect(fills).toBe(1);
  });

  it('of a document shares its look into the write database with others of the same one', async () => {
    const { read, counted } = reader();
    let looks = 0;
    const { read: query, filled } = stored({
      key: 'ada',
      writeDatabase: async () => {
        looks += 1;
        await tick();
        return 'written';
      },
    });
    const answers = await Promise.all([read(query), read(query), read({ ...query, key: 'bob' })]);
    expect(answers.map(({ data }) => data)).toEqual(['written', 'written', 'written']);
    expect([looks, filled.length, counted.length]).toEqual([2, 2, 3]);
    await read(query);
    expect(looks).toBe(3);
  });
});
