import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { javaVersion, missingTools, requireTools } from './toolchain.ts';

let bin: string;
beforeEach(async () => {
  const home = await mkdtemp(join(tmpdir(), 'millrace-tools-'));
  bin = join(home, 'bin');
  await mkdir(bin);
  vi.stubEnv('PATH', bin);
  vi.stubEnv('JAVA_HOME', '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(join(bin, '..'), { recursive: true });
});

test.each([
  ['openjdk version "17.0.15" 2025-04-15', 17],
  ['java version "1.8.0_412"', 8],
  ['openjdk version "21" 2023-09-19', 21],
  ['javac 17.0.15', 17],
  ['a shell script', undefined],
])('the version in %j is %s', (text, version) => {
  expect(javaVersion(text)).toBe(version);
});

test('all that is missing is named at once, with how to get it', async () => {
  const missing = requireTools(['java', 'javac', 'mvn']);
  await expect(missing).rejects.toThrow(/java does not run, javac does not run, mvn does not run\n.*JDK 17.*Maven 3\.8.*docker/);
});

test('a Java that is too old is missing', async () => {
  await tool('java', 'echo \'openjdk version "11.0.2"\' >&2');
  await tool('javac', 'echo javac 17.0.1');
  expect(await missingTools(['java', 'javac'])).toMatchObject([{ tool: 'java', problem: 'java is version 11, and 17 is the least' }]);
});

test('the JDK of JAVA_HOME comes before the one on PATH', async () => {
  await tool('java', 'echo \'openjdk version "11.0.2"\' >&2');
  const home = join(bin, '..', 'jdk');
  await mkdir(join(home, 'bin'), { recursive: true });
  await writeFile(join(home, 'bin', 'java'), '#!/bin/sh\necho \'openjdk version "21.0.1"\' >&2\n', { mode: 0o755 });
  vi.stubEnv('JAVA_HOME', home);
  expect(await missingTools(['java'])).toEqual([]);
});

async function tool(name: string, script: string): Promise<void> {
  await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}
