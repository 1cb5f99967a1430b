import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const house = mkdtempSync(join(tmpdir(), 'millrace-import-rule-'));

/** A house of empty rooms in which one file breaks the rule. */
function violationsOf(files: Readonly<Record<string, string>>): string {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(house, dirname(file)), { recursive: true });
    writeFileSync(join(house, file), text);
  }
  const cruise = [
    join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs'),
    '--config',
    join(ROOT, '.dependency-cruiser.cjs'),
  ];
  try {
    return execFileSync(
      process.execPath,
      [...cruise, '--output-type', 'err', ...Object.keys(files).filter((file) => file.endsWith('.ts'))],
      { cwd: house, encoding: 'utf8' },
    );
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

describe('the import rule', () => {
  writeFileSync(join(house, 'package.json'), '{"type":"module"}');
  writeFileSync(join(house, 'tsconfig.json'), '{"compilerOptions":{"module":"nodenext","allowImportingTsExtensions":true,"noEmit":true}}');
  afterAll(() => rmSync(house, { recursive: true }));

  it('refuses what looks upwards, sideways, or at a library outside its home, and nothing else', () => {
    const report = violationsOf({
      'node_modules/ioredis/package.json': '{"name":"ioredis","main":"index.js"}',
      'node_modules/ioredis/index.js': 'module.exports = {};\n',
      'core/below.ts': 'export const word = 1;\n',
      'core/upwards.ts': "import '../runtime/impure.ts';\nimport 'node:fs';\n",
      'runtime/impure.ts': "import '../core/below.ts';\nimport 'ioredis';\n",
      'projectors/redis/fine.ts': "import 'ioredis';\nimport '../../core/below.ts';\n",
      'processors/sideways.ts': "import '../projectors/redis/fine.ts';\n",
      'runtime/circle-a.ts': "import './circle-b.ts';\nexport const a = 1;\n",
      'runtime/circle-b.ts': "import './circle-a.ts';\nexport const b = 1;\n",
    });
    const broken = [...report.matchAll(/error ([\w-]+): (\S+)/g)].map(([, rule, from]) => `${from}: ${rule}`);
    expect(broken).toEqual(expect.arrayContaining(['core/upwards.ts: core-imports-nothing', 'runtime/impure.ts: ioredis-has-one-home']));
    expect(broken).toContain('processors/sideways.ts: processors-imports-only-what-lies-below');
    expect(broken.some((line) => line.endsWith('no-cycles'))).toBe(true);
    expect(broken.some((line) => line.startsWith('projectors/redis/fine.ts') || line.startsWith('core/below.ts'))).toBe(false);
  }, 60_000);
});
