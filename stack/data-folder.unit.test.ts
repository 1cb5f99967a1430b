import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cloneFolder, DataFolder, newState } from './data-folder.ts';
import { stackReset } from './stack.ts';

let path: string;
let folder: DataFolder;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'millrace-data-'));
  folder = new DataFolder(path);
});
afterEach(async () => rm(path, { recursive: true, force: true }));

test('the state is read as it was written, and there is none before', async () => {
  expect(await folder.readState()).toBeUndefined();
  const state = await newState('native');
  await folder.writeState(state);
  expect(await folder.readState()).toEqual(state);
  expect(new Set(Object.values(state.ports)).size).toBe(8);
});

test('a state that is not understood is refused and not overwritten', async () => {
  await writeFile(join(path, 'stack.json'), '{"version":2}');
  await expect(folder.readState()).rejects.toThrow(/not the state of a stack of this version/);
});

test('the password is made once and readable by its owner only', async () => {
  const password = await folder.postgresPassword();
  expect(password).toMatch(/^[\w-]{24}$/);
  expect(await folder.postgresPassword()).toBe(password);
  expect((await stat(join(path, 'postgres.password'))).mode & 0o777).toBe(0o600);
});

test('a reset deletes what the stack has made and nothing else', async () => {
  await folder.prepare();
  await folder.writeState(await newState('native'));
  await mkdir(join(path, 'kafka', 'data'), { recursive: true });
  await writeFile(join(path, 'thesis.txt'), 'mine');
  await stackReset({ dataFolder: path });
  expect(await readdir(path)).toEqual(['thesis.txt']);
});

test('a reset of a folder that holds no stack is refused', async () => {
  await mkdir(join(path, 'postgres'));
  await expect(stackReset({ dataFolder: path })).rejects.toThrow(/does not hold a stack/);
  expect(existsSync(join(path, 'postgres'))).toBe(true);
});

test('the clone is the folder of package.json', () => {
  expect(existsSync(join(cloneFolder(), 'package.json'))).toBe(true);
});
