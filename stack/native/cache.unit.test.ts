import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cacheFolder, installed } from './cache.ts';

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'millrace-cache-'));
});
afterEach(async () => rm(cache, { recursive: true, force: true }));

const installation = (fill: (folder: string) => Promise<void>) => ({
  name: 'kafka-1',
  fill,
  signal: new AbortController().signal,
  onWait: () => undefined,
});

test('two who want the same install it once', async () => {
  let fills = 0;
  const fill = async (folder: string) => {
    fills++;
    await writeFile(join(folder, 'a.jar'), 'a');
  };
  const folders = await Promise.all([installed(cache, installation(fill)), installed(cache, installation(fill))]);
  expect(folders).toEqual([join(cache, 'kafka-1'), join(cache, 'kafka-1')]);
  expect(fills).toBe(1);
  expect(await readdir(cache)).toEqual(['kafka-1']);
});

test('a failed installation leaves nothing and the next one begins anew', async () => {
  const failing = installed(
    cache,
    installation(async (folder) => {
      await writeFile(join(folder, 'half.jar'), 'h');
      throw new Error('network');
    }),
  );
  await expect(failing).rejects.toThrow('network');
  expect(await readdir(cache)).toEqual([]);
  const folder = await installed(
    cache,
    installation(async (empty) => writeFile(join(empty, 'a.jar'), 'a')),
  );
  expect(await readdir(folder)).toEqual(['a.jar']);
});

test('what a killed installation left is removed, and what others have is not', async () => {
  await mkdir(join(cache, '.kafka-1.part-4711'));
  await mkdir(join(cache, '.redis-1.part-4712'));
  await writeFile(join(cache, '.kafka-1.lock'), JSON.stringify({ pid: process.pid, birth: 'another life' }));
  await installed(
    cache,
    installation(async () => undefined),
  );
  expect((await readdir(cache)).sort()).toEqual(['.redis-1.part-4712', 'kafka-1']);
});

test('the cache is where MILLRACE_CACHE says, else where caches of this user are', () => {
  expect(cacheFolder({ MILLRACE_CACHE: '/somewhere' })).toBe('/somewhere');
  const usual = cacheFolder({ XDG_CACHE_HOME: '/caches' });
  expect(usual).toBe(process.getuid?.() === 0 ? '/var/cache/millrace' : '/caches/millrace');
});
