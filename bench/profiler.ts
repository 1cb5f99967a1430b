import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hottestFunctions, type Hotspots } from './profile.ts';

/** Collects the CPU profiles that programs leave in a folder at their end. They run beside what is timed: profiling takes time itself. */
export class Profiler {
  readonly folder: string;
  readonly hotspots: Hotspots[] = [];

  /** @param folder exists and is empty. */
  constructor(folder: string) {
    this.folder = folder;
  }

  /** Call it when the programs were stopped. */
  async note(measurement: string): Promise<void> {
    this.hotspots.push({ measurement, functions: await hottestFunctions(this.folder) });
    for (const name of await readdir(this.folder)) await rm(join(this.folder, name));
  }
}
