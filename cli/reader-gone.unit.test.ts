import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const INTERRUPTS = new URL('interrupts.ts', import.meta.url).href;
const READER_GONE = new URL('reader-gone.ts', import.meta.url).href;
/** Nobody is there, and nobody is asked: `init` prints. */
const SERVERS = {
  POSTGRES_URL: 'postgres://127.0.0.1:1',
  KAFKA_BROKERS: '127.0.0.1:1',
  SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1',
  REDIS_URL: 'redis://127.0.0.1:1',
  ELASTICSEARCH_URL: 'http://127.0.0.1:1',
};
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-reader-'));
});
afterAll(async () => rm(folder, { recursive: true }));

/** Runs Node with an output that nobody reads; what it says besides, and how it ends. */
async function withoutReader(...args: string[]): Promise<{ readonly code: unknown; readonly said: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...SERVERS },
  });
  child.stdout.destroy();
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [code] = (await once(child, 'close')) as [unknown];
  return { code, said };
}

describe('a command whose output nobody reads any more', { timeout: 30_000 }, () => {
  it('ends without a word, as other tools do', async () => {
    expect(await withoutReader(MAIN, 'init')).toEqual({ code: 141, said: '' });
  });

  it('finishes what is begun, as with Ctrl-C', async () => {
    const script = join(folder, 'works.mts');
    const finished = join(folder, 'finished');
    await writeFile(
      script,
      `import { writeFileSync } from 'node:fs';
       import { stopWithoutReader } from '${READER_GONE}';
       stopWithoutReader();
       const working = setInterval(() => console.log('one more'), 10);
       process.once('SIGINT', () => {
         clearInterval(working);
         writeFileSync('${finished}', 'yes');
         process.exitCode = 130;
       });`,
    );
    expect(await withoutReader(script)).toEqual({ code: 141, said: '' });
    expect(await readFile(finished, 'utf8')).toBe('yes');
  });

  it('is not taken for somebody who presses Ctrl-C again, when Ctrl-C has ended its reader too', async () => {
    const script = join(folder, 'ends.mts');
    const finished = join(folder, 'ended-in-order');
    await writeFile(
      script,
      `import { writeFileSync } from 'node:fs';
       import { interrupts } from '${INTERRUPTS}';
       import { stopWithoutReader } from '${READER_GONE}';
       stopWithoutReader();
       let now = 0;
       interrupts({ leaves: 'half of it', nowMs: () => now });
       process.emit('SIGINT', 'SIGINT');
       now = 2_000;
       let left = 20;
       const ending = setInterval(() => {
         console.log('taken back');
         left -= 1;
         if (left > 0) return;
         clearInterval(ending);
         writeFileSync('${finished}', 'yes');
       }, 10);`,
    );
    expect(await withoutReader(script)).toEqual({ code: 141, said: '' });
    expect(await readFile(finished, 'utf8')).toBe('yes');
  });
});
