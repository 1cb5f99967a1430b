import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { DataFolder } from './data-folder.ts';
import type { Flavour } from './flavour.ts';
import { missingTools } from './native/toolchain.ts';
import { StackError } from './stack-error.ts';

/** The flavour asked for, or the one this folder has, or the one this machine can run (servers without Docker first). */
export async function chooseFlavour(folder: DataFolder, wanted: Flavour | undefined): Promise<Flavour> {
  const current = (await folder.readState())?.flavour;
  if (wanted !== undefined && current !== undefined && wanted !== current) {
    throw new StackError(
      `${folder.path} holds a stack of the ${current} flavour`,
      'Run `millrace stack reset` first (it deletes the data), or choose another --data-folder.',
    );
  }
  return wanted ?? current ?? (await detectFlavour());
}

async function detectFlavour(): Promise<Flavour> {
  const missing = await missingTools(['java', 'javac', 'mvn']);
  if (missing.length === 0) return 'native';
  if (await dockerComposeWorks()) return 'docker';
  throw new StackError(
    `Neither flavour of the stack can run here: no Docker engine with compose answers, and ${missing.map(({ problem }) => problem).join(', ')}`,
    ['Start Docker, or:', ...missing.map(({ remedy }) => remedy)].join(' '),
  );
}

/** Whether an engine answers and has the compose command. */
export async function dockerComposeWorks(): Promise<boolean> {
  const run = promisify(execFile);
  try {
    await run('docker', ['compose', 'version'], { timeout: 10_000 });
    await run('docker', ['info', '--format', '{{.ServerVersion}}'], { timeout: 10_000 });
    return true;
  } catch {
    // Not installed, no right to use it, engine stopped: for the choice all of them mean the same.
    return false;
  }
}
