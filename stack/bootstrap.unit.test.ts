import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../test/support/eventually.ts';
import { cloneFolder } from './data-folder.ts';

/** A clone of which only the bootstrap is real: `tsx` is the command that it hands over to, `npm` notes that it was called. */
let clone: string;
let child: ChildProcess | undefined;

beforeEach(async () => {
  clone = await mkdtemp(join(tmpdir(), 'millrace-clone-'));
  await copyFile(join(cloneFolder(), 'bootstrap.mjs'), join(clone, 'bootstrap.mjs'));
  await lock('1.0.0');
  await script(
    'npm',
    'echo called >> npm-calls; mkdir -p node_modules/tsx && cp tsx.mjs node_modules/tsx/index.mjs && echo \'{"exports":"./index.mjs"}\' > node_modules/tsx/package.json',
  );
  await writeFile(join(clone, 'tsx.mjs'), 'console.log(JSON.stringify(process.argv.slice(2))); process.exit(7);');
});
afterEach(async () => {
  child?.kill('SIGKILL');
  await rm(clone, { recursive: true, force: true });
});

test('the command gets the arguments, and its exit code is ours', async () => {
  const { code, output } = await bootstrap('start', '--flavour', 'docker');
  expect(output).toContain('["start","--flavour","docker"]');
  expect(code).toBe(7);
});

test('dependencies are installed once, and again when the lock file has changed', async () => {
  await bootstrap('demo');
  await bootstrap('demo');
  expect(await npmCalls()).toBe(1);
  await lock('2.0.0');
  await bootstrap('demo');
  expect(await npmCalls()).toBe(2);
});

test('what somebody has installed with npm is left alone when it is complete', async () => {
  await bootstrap('demo');
  await rm(join(clone, 'node_modules', '.millrace-installed'));
  const present = (version: string) => JSON.stringify({ packages: { 'node_modules/a': { version } } });
  await writeFile(join(clone, 'node_modules', '.package-lock.json'), present('1.0.0'));
  await bootstrap('demo');
  expect(await npmCalls()).toBe(1);
  await writeFile(join(clone, 'node_modules', '.package-lock.json'), present('0.9.0'));
  await bootstrap('demo');
  expect(await npmCalls()).toBe(2);
});

test('an installation that failed ends with its code, and the next run tries again', async () => {
  await script('npm', 'echo called >> npm-calls; exit 3');
  expect((await bootstrap('start')).code).toBe(3);
  expect((await bootstrap('start')).code).toBe(3);
  expect(await npmCalls()).toBe(2);
});

test('an unknown verb is answered with the known ones', async () => {
  const { code, output } = await bootstrap('strat');
  expect(output).toMatch(/^usage: .*start.*test/);
  expect(code).toBe(2);
});

test('an old Node is refused with one sentence and no stack trace', async () => {
  await writeFile(
    join(clone, 'old.mjs'),
    "Object.defineProperty(process, 'versions', { value: { node: '18.20.1' } }); process.argv.splice(1, 1); await import('./bootstrap.mjs');",
  );
  const { code, output } = await run(['old.mjs', 'x', 'start']);
  expect(output).toBe('Millrace needs Node 20.19 or newer, and this is Node 18.20.1. Install a newer one and run this again.\n');
  expect(code).toBe(2);
});

test('Ctrl-C reaches the command once, however often it is delivered to us', async () => {
  await writeFile(
    join(clone, 'tsx.mjs'),
    `let count = 0;
     process.on('SIGINT', () => { if (++count === 1) setTimeout(() => { console.log('interrupts', count); process.exit(0); }, 300); console.log('first'); });
     console.log('armed');
     setInterval(() => {}, 1000);
     await new Promise(() => {});`,
  );
  const running = run(['bootstrap.mjs', 'start']);
  await eventually(async () => expect(running.soFar()).toContain('armed'), { timeoutMs: 8_000 });
  child?.kill('SIGINT');
  await eventually(async () => expect(running.soFar()).toContain('first'), { timeoutMs: 5_000 });
  child?.kill('SIGINT');
  const { code, output } = await running;
  expect(output).toContain('interrupts 1');
  expect(code).toBe(0);
});

function bootstrap(...args: string[]) {
  return run(['bootstrap.mjs', ...args]);
}

function run(args: string[]): Promise<{ code: number | null; output: string }> & { soFar: () => string } {
  const started = spawn(process.execPath, args, { cwd: clone, env: { ...process.env, PATH: `${clone}:${process.env['PATH'] ?? ''}` } });
  child = started;
  let output = '';
  for (const stream of [started.stdout, started.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = once(started, 'close').then(([code]) => ({ code: code as number | null, output }));
  return Object.assign(ended, { soFar: () => output });
}

async function lock(version: string): Promise<void> {
  const packages = { '': {}, 'node_modules/a': { version }, 'node_modules/other-platform': { version, optional: true } };
  await writeFile(join(clone, 'package-lock.json'), JSON.stringify({ packages }));
}

async function script(name: string, text: string): Promise<void> {
  await writeFile(join(clone, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

async function npmCalls(): Promise<number> {
  return (await readFile(join(clone, 'npm-calls'), 'utf8')).trim().split('\n').length;
}
