import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LoadedAtStart } from './bundle.ts';
import { bundlePrograms } from './bundle.ts';
import { cloneFolder } from './stack/data-folder.ts';

describe('the bundled command', () => {
  let folder: string;
  let loaded: LoadedAtStart;

  beforeAll(async () => {
    // Inside the clone, where the libraries are that are not bundled.
    await mkdir(join(cloneFolder(), '.millrace'), { recursive: true });
    folder = await mkdtemp(join(cloneFolder(), '.millrace', 'bundle-'));
    loaded = await bundlePrograms({ programs: { main: 'cli/main.ts', roles: 'cli/run-command.ts' }, folder });
  }, 60_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const call = (...words: string[]): Promise<{ readonly code: number; readonly text: string }> =>
    new Promise((resolve) => {
      const environment = { PATH: process.env['PATH'] };
      const options = { cwd: folder, env: environment };
      const child = execFile(process.execPath, [join(folder, 'main.js'), ...words], options, (_error, stdout, stderr) => {
        resolve({ code: child.exitCode ?? -1, text: stdout + stderr });
      });
    });

  const libraries = (files: readonly string[] = []): Set<string> =>
    new Set(files.flatMap((file) => /(?<=node_modules\/)(?:@[^/]+\/)?[^/]+/.exec(file) ?? []));

  it('shows every command in its help', async () => {
    const { code, text } = await call('--help');
    expect(code).toBe(0);
    for (const word of ['start', 'init', 'apply', 'run', 'slot', 'dlt', 'stack', 'parked', 'trace', 'flows', 'token', 'demo']) {
      expect(text).toMatch(new RegExp(`^ {2}${word} `, 'm'));
    }
  });

  it('ends with 2 for a word that is no command, and for a role without settings', async () => {
    expect(await call('rnu')).toMatchObject({ code: 2, text: expect.stringContaining("unknown command 'rnu'") as string });
    expect(await call('run', 'relay')).toMatchObject({ code: 2, text: expect.stringContaining('KAFKA_BROKERS is missing') as string });
  });

  it('loads for its roles what a relay needs, and no library that others need', () => {
    const own = libraries(loaded['roles']);
    for (const name of ['kafkajs', 'pg', 'pino', 'prom-client']) expect(own).toContain(name);
    for (const name of ['fastify', 'jose', 'typebox', 'undici', 'ioredis', '@elastic/elasticsearch']) expect(own).not.toContain(name);
  });

  it('loads nothing for its command line but that', () => {
    expect([...libraries(loaded['main'])].sort()).toEqual(['commander', 'zod']);
  });
});
