import { expect, test } from 'vitest';
import { pgbenchRun } from './pgbench.ts';
import { stepScript } from './step-sql.ts';

const SAID = `pgbench (15.14)
number of transactions actually processed: 6543
number of failed transactions: 0 (0.000%)
latency average = 1.528 ms
initial connection time = 20.1 ms
tps = 6543.217 (without initial connection time)
statement latencies in milliseconds and failures:
         0.002           0  \\set number :client_id * 1250 + random(1, 1250)
         0.051           0  BEGIN;
         0.102           0  INSERT INTO my.processed_events (idempotency_key) SELECT 1;
         0.310           0  COMMIT;
`;

test('the rate and the time of each part are read from what pgbench prints', () => {
  const run = pgbenchRun(SAID);
  expect(run.transactionsPerSecond).toBe(6_543.217);
  expect(Object.fromEntries(run.partMicros)).toEqual({ begin: 51, inbox: 102, commit: 310 });
});

test('a run without a rate, or with transactions that failed, is refused', () => {
  expect(() => pgbenchRun('pgbench: error: connection refused')).toThrow('connection refused');
  expect(() => pgbenchRun(SAID.replace('failed transactions: 0', 'failed transactions: 7'))).toThrow('pgbench');
});

test('the clients of a script have users of their own, and a hundred steps stay within them', () => {
  expect(stepScript('five', 10_000, 8)).toContain(':client_id * 1250 + random(1, 1250)');
  expect(stepScript('hundred', 10_000, 8)).toContain(':client_id * 1250 + random(1, 1150)');
});

test('a script holds no other variables than those that it sets', () => {
  for (const script of ['five', 'statement', 'hundred'] as const) {
    const words = [...stepScript(script, 10_000, 8).matchAll(/(?<!:):(\w+)/g)].map(([, word]) => word);
    expect(words.filter((word) => !['client_id', 'number', 'version'].includes(word ?? ''))).toEqual([]);
  }
});
