import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const SHOWN = 15;

/** Where the CPU time of a process went in one measurement. */
export interface Hotspots {
  readonly measurement: string;
  /** `12.3 %  name  file:line`, the hottest first. */
  readonly functions: readonly string[];
}

/** What of a CPU profile of V8 is needed here. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  /** The node of each sample, and the microseconds since the one before. */
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** The functions of all profiles in the folder by their own time, without what they call: `12.3 %  name  file:line`. */
export async function hottestFunctions(folder: string): Promise<readonly string[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.cpuprofile'));
  const profiles = await Promise.all(files.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as CpuProfile));
  return selfTimes(profiles)
    .slice(0, SHOWN)
    .map(({ name, share }) => `${(share * 100).toFixed(1).padStart(5)} %  ${name}`);
}

/** Shares of the time in which the program was not idle, the largest first. */
export function selfTimes(profiles: readonly CpuProfile[]): { readonly name: string; readonly share: number }[] {
  const micros = new Map<string, number>();
  let busy = 0;
  for (const { nodes, samples, timeDeltas } of profiles) {
    const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
    samples.forEach((node, index) => {
      const name = names.get(node) ?? '(unknown)';
      if (name === '(idle)') return;
      const spent = timeDeltas[index] ?? 0;
      busy += spent;
      micros.set(name, (micros.get(name) ?? 0) + spent);
    });
  }
  return [...micros].map(([name, spent]) => ({ name, share: spent / busy })).sort((a, b) => b.share - a.share);
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return name;
  const file = url.replace(/^file:\/\//, '').replace(/^.*\/(node_modules|program)\//, '');
  return `${name}  ${file}:${lineNumber + 1}`;
}
