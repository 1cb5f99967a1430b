import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { isRunning } from '../process-identity.ts';
import { launch, runningIn, stop, type DaemonFiles } from './daemon.ts';

let folder: string;
let files: DaemonFiles;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-daemon-'));
  files = { log: join(folder, 'server.log'), identity: join(folder, 'server.pid') };
});
afterEach(async () => {
  await stop(files, [['SIGKILL', 5_000]]);
  await rm(folder, { recursive: true, force: true });
});

const shell = (script: string) => ({ command: '/bin/sh', args: ['-c', script], cwd: folder });

test('a server that was launched is found again by its file, and stopped', async () => {
  const identity = await launch({ command: 'sleep', args: ['60'], cwd: folder }, files);
  expect(await runningIn(files)).toEqual(identity);
  await stop(files, [['SIGTERM', 5_000]]);
  expect(isRunning(identity)).toBe(false);
  expect(existsSync(files.identity)).toBe(false);
});

test('a server that ignores the soft signal is ended by the hard one', async () => {
  const identity = await launch(shell(`trap '' TERM; echo armed; while :; do sleep 1; done`), files);
  await eventually(async () => expect(await readFile(files.log, 'utf8')).toContain('armed'), { timeoutMs: 5_000 });
  await stop(files, [
    ['SIGTERM', 200],
    ['SIGKILL', 5_000],
  ]);
  expect(isRunning(identity)).toBe(false);
});

test('a stranger who got the number of a dead server is never signalled', async () => {
  const stranger = spawn('sleep', ['60'], { stdio: 'ignore' });
  await writeFile(files.identity, `${stranger.pid}\nan older boot\n${stranger.pid} (java) S ${'0 '.repeat(18)}1 0\nend\n`);
  expect(await runningIn(files)).toBeUndefined();
  await stop(files, [['SIGKILL', 1_000]]);
  expect(stranger.exitCode).toBeNull();
  expect(stranger.signalCode).toBeNull();
  expect(existsSync(files.identity)).toBe(false);
  stranger.kill();
});

test('a server gets the settings meant for it, and not those of the one who starts it', async () => {
  process.env['REDIS_URL'] = 'redis://secret';
  try {
    await launch({ ...shell('env'), env: { QUARKUS_HTTP_PORT: '1' } }, files);
  } finally {
    delete process.env['REDIS_URL'];
  }
  await eventually(async () => expect(await readFile(files.log, 'utf8')).toContain('QUARKUS_HTTP_PORT=1'), { timeoutMs: 5_000 });
  expect(await readFile(files.log, 'utf8')).not.toContain('REDIS_URL');
});

test('a large log is put aside at the next start', async () => {
  await writeFile(files.log, Buffer.alloc(9 * 1024 * 1024));
  await launch(shell('echo new'), files);
  await eventually(async () => expect(await readFile(files.log, 'utf8')).toBe('new\n'), { timeoutMs: 5_000 });
  expect((await stat(`${files.log}.1`)).size).toBe(9 * 1024 * 1024);
});
