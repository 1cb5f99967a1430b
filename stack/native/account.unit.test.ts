import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { accountIn, canReach, reachableFolder } from './account.ts';

const SOMEBODY = { uid: 4_711, gid: 4_711 };
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-account-'));
  await chmod(folder, 0o755);
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

test('an account is found by its name, and root is nobody to fall back to', () => {
  const accounts = 'root:x:0:0::/root:/bin/sh\npostgres:x:101:104::/:/bin/sh\nnobody:*:-2:-2::/:/bin/false\n';
  expect(accountIn(accounts, 'postgres')).toEqual({ uid: 101, gid: 104 });
  expect(accountIn(accounts, 'nobody')).toEqual({ uid: 4_294_967_294, gid: 4_294_967_294 });
  expect(accountIn(accounts, 'root')).toBeUndefined();
  expect(accountIn(accounts, 'daemon')).toBeUndefined();
});

test('an account reaches a folder only when it may pass through every one above', async () => {
  const inner = join(folder, 'closed', 'open');
  await mkdir(inner, { recursive: true });
  expect(canReach(inner, SOMEBODY)).toBe(true);
  expect(canReach(join(inner, 'not', 'there', 'yet'), SOMEBODY)).toBe(true);
  await chmod(join(folder, 'closed'), 0o700);
  expect(canReach(inner, SOMEBODY)).toBe(false);
});

test('the data of PostgreSQL go elsewhere, and always to the same place, when its account cannot come here', async () => {
  const wanted = join(folder, 'closed', 'postgres');
  await mkdir(join(folder, 'closed'));
  expect(reachableFolder(wanted, SOMEBODY)).toBe(wanted);
  await chmod(join(folder, 'closed'), 0o700);
  expect(reachableFolder(wanted, undefined)).toBe(wanted);
  expect(reachableFolder(wanted, SOMEBODY)).toMatch(/^\/var\/lib\/millrace\/[0-9a-f]{16}$/);
  expect(reachableFolder(wanted, SOMEBODY)).toBe(reachableFolder(wanted, SOMEBODY));
  expect(reachableFolder(join(folder, 'closed', 'other'), SOMEBODY)).not.toBe(reachableFolder(wanted, SOMEBODY));
});
