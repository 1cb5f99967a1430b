import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withLock } from './lock.ts';
import { identify } from './process-identity.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-lock-'));
  file = join(folder, 'lock');
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

test('only one at a time holds the lock, and nothing is left of it', async () => {
  let inside = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 5 }, async () =>
      withLock(file, {}, async () => {
        most = Math.max(most, ++inside);
        await new Promise((resolve) => setImmediate(resolve));
        inside--;
      }),
    ),
  );
  expect(most).toBe(1);
  expect(await readdir(folder)).toEqual([]);
});

test('a holder that died does not block, however many wait for it', async () => {
  await writeFile(file, JSON.stringify({ pid: process.pid, birth: 'another life' }));
  let inside = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++inside);
    await new Promise((resolve) => setImmediate(resolve));
    inside--;
  };
  await Promise.all([withLock(file, {}, work), withLock(file, {}, work), withLock(file, {}, work)]);
  expect(most).toBe(1);
  expect(existsSync(file)).toBe(false);
});

test('many that find a dead holder, again and again, never take each other’s lock away', async () => {
  let inside = 0;
  let most = 0;
  for (let round = 0; round < 12; round += 1) {
    await writeFile(file, JSON.stringify({ pid: process.pid, birth: `another life ${round}` }));
    await Promise.all(
      Array.from({ length: 4 }, async () =>
        withLock(file, { timeoutMs: 5_000 }, async () => {
          most = Math.max(most, ++inside);
          await new Promise((resolve) => setImmediate(resolve));
          inside--;
        }),
      ),
    );
  }
  expect(most).toBe(1);
  expect(await readdir(folder)).toEqual([]);
}, 60_000);

test('a guard whose owner died is no obstacle', async () => {
  await writeFile(file, JSON.stringify({ pid: process.pid, birth: 'another life' }));
  await writeFile(`${file}.guard`, JSON.stringify({ pid: process.pid, birth: 'a life before' }));
  expect(await withLock(file, {}, async () => 'done')).toBe('done');
  expect(await readdir(folder)).toEqual([]);
});

test('who waits is told for whom, and may give up', async () => {
  await writeFile(file, JSON.stringify(identify(process.pid)));
  const holders: number[] = [];
  const waiting = withLock(file, { onWait: (pid) => holders.push(pid), signal: AbortSignal.timeout(250) }, async () => 'never');
  await expect(waiting).rejects.toThrow(/abort/i);
  expect(holders).toEqual([process.pid]);
  expect(await readdir(folder)).toEqual(['lock']);
});

test('the lock is given back when the work fails', async () => {
  const failing = withLock(file, {}, async () => Promise.reject(new Error('work')));
  await expect(failing).rejects.toThrow('work');
  expect(await withLock(file, {}, async () => 'next')).toBe('next');
});
