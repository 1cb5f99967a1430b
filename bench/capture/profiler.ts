import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Capture } from './capture.ts';
import { hottestFunctions } from './profile.ts';

/** Where the relay's CPU time goes in one measurement. */
export interface Hotspots {
  readonly measurement: string;
  /** `12.3 %  name  file:line`, the hottest first. */
  readonly functions: readonly string[];
}

/** Runs the relay under V8's CPU profiler, beside what is timed: profiling takes time itself. */
export class Profiler {
  readonly capture: Capture;
  readonly hotspots: Hotspots[] = [];
  private readonly folder: string;

  /** @param capture a relay that leaves its profile in the folder when it stops. */
  constructor(capture: Capture, folder: string) {
    this.capture = capture;
    this.folder = folder;
  }

  /** Call it when the capture was stopped. */
  async note(measurement: string): Promise<void> {
    this.hotspots.push({ measurement, functions: await hottestFunctions(this.folder) });
    for (const name of await readdir(this.folder)) await rm(join(this.folder, name));
  }
}
