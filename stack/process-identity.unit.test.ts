import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { identify, isRunning, parseIdentity } from './process-identity.ts';

test('this process runs, and a process that has ended does not', async () => {
  const self = identify(process.pid)!;
  expect(isRunning(self)).toBe(true);
  const child = spawn('sleep', ['30']);
  const identity = identify(child.pid!)!;
  expect(isRunning(identity)).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isRunning(identity)).toBe(false);
});

test('a later process with the same number is another one', () => {
  const self = identify(process.pid)!;
  expect(isRunning({ ...self, birth: `${self.birth}0` })).toBe(false);
});

test('there is no process with an unused number', () => {
  expect(identify(2 ** 22 + 1)).toBeUndefined();
});

test('a process file is read whole or not at all', () => {
  const stat = '4711 (a) b) S 1 4711 4711 0 -1 4194304 114 76 0 0 0 0 0 0 20 0 1 0 244063 2654208 357';
  const whole = `4711\nboot\n${stat}\nend\n`;
  expect(parseIdentity(whole)).toEqual({ pid: 4711, birth: 'boot/244063' });
  for (let length = 0; length < whole.indexOf('end'); length++) expect(parseIdentity(whole.slice(0, length))).toBeUndefined();
});

test('where there is no /proc, the start time as ps prints it tells processes apart', () => {
  expect(parseIdentity('4711\nSat Nov 21 09:30:41 2026    \nend\n')).toEqual({ pid: 4711, birth: 'Sat Nov 21 09:30:41 2026' });
});
