import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { eventually } from '../test/support/eventually.ts';
import { isProcessAlive } from './local-folder.ts';
import { Supervisor } from './supervisor.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-supervisor-'));
const events: string[] = [];
const pids: (number | undefined)[] = [];
const supervisor: Supervisor = new Supervisor(
  (role, event) => events.push(`${role} ${event}`),
  () => pids.push(supervisor.pid('worker')),
);

afterEach(async () => {
  await supervisor.stop(['worker', 'wrong'], 5_000);
  rmSync(folder, { recursive: true, force: true });
});

const role = (name: string, script: string) => ({
  role: name,
  command: [process.execPath, '-e', script],
  environment: process.env,
  logFile: join(folder, `${name}.log`),
});

it('starts a killed role again and tells of its new process; a wrong configuration stays down; a stop is soft', async () => {
  supervisor.start(
    role(
      'worker',
      "process.on('SIGTERM', () => { console.log('soft'); process.exit(0); }); console.log('up'); setInterval(() => {}, 1000)",
    ),
  );
  supervisor.start(role('wrong', 'process.exit(2)'));
  const first = await eventually(() => readFileSync(join(folder, 'worker.log'), 'utf8').includes('up') && supervisor.pid('worker'));
  process.kill(first ?? 0, 'SIGKILL');
  await eventually(() => new Set(pids.filter((pid) => pid !== undefined)).size >= 2 && pids.at(-1) !== first);
  await eventually(() => readFileSync(join(folder, 'worker.log'), 'utf8').split('up').length > 2);
  await eventually(() => events.some((event) => event.startsWith('wrong stopped: its configuration is wrong')));
  await supervisor.stop(['worker', 'wrong'], 5_000);
  expect(readFileSync(join(folder, 'worker.log'), 'utf8')).toContain('soft');
  expect(isProcessAlive(pids.at(-1) ?? 0)).toBe(false);
  expect(events.filter((event) => event.startsWith('wrong'))).toHaveLength(1);
});
