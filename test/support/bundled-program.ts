import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundlePrograms } from '../../bundle.ts';

const CLONE = fileURLToPath(new URL('../..', import.meta.url));
/** In the clone, so that what is not bundled is found. */
const FOLDERS = join(CLONE, '.millrace');
const PREFIX = 'test-programs-';

const bundled = new Map<string, Promise<string>>();

/**
 * A test's program as one file, made once in this process: started again and again, it would otherwise spend most of its life
 * reading some hundred sources. Returns its path.
 * @param source from the clone's root.
 */
export function bundledProgram(source: string): Promise<string> {
  const known = bundled.get(source) ?? bundle(source);
  bundled.set(source, known);
  return known;
}

async function bundle(source: string): Promise<string> {
  const folder = join(FOLDERS, `${PREFIX}${process.pid}`);
  if (bundled.size === 0) {
    mkdirSync(folder, { recursive: true });
    removeOrphans();
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  }
  const name = basename(source, '.ts');
  await bundlePrograms({ programs: { [name]: source }, folder });
  return join(folder, `${name}.js`);
}

/** Those of processes that ended without a farewell. */
function removeOrphans(): void {
  for (const name of readdirSync(FOLDERS)) {
    if (name.startsWith(PREFIX) && !isAlive(Number(name.slice(PREFIX.length))))
      rmSync(join(FOLDERS, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
