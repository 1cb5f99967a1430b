import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { planOf } from './demo-command.ts';
import { UsageError } from './exit.ts';
import { stackFolder } from './stack-command.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-stack-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('the folder of the servers', () => {
  it('is `stack` in the folder of `millrace start`, as that has it', () => {
    expect(stackFolder({ dataFolder: '.millrace' })).toBe(resolve('.millrace/stack'));
    expect(stackFolder({ dataFolder: folder })).toBe(join(folder, 'stack'));
  });

  it('may be named itself, where a stack is in it', async () => {
    await writeFile(join(folder, 'stack.json'), '{}');
    expect(stackFolder({ dataFolder: folder })).toBe(folder);
  });
});

describe('the numbers of the demo', () => {
  const said = { count: '1000', seed: '1', concurrency: '32', patience: '60' };

  it('are read before anything is brought up for it', () => {
    expect(planOf(said)).toEqual({ count: 1000, seed: 1, concurrency: 32, patienceMs: 60_000 });
    for (const wrong of [{ count: 'many' }, { count: '0' }, { seed: '1.5' }, { concurrency: '-1' }, { patience: '1e3' }])
      expect(() => planOf({ ...said, ...wrong })).toThrow(UsageError);
  });
});
