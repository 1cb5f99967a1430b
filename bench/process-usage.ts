import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** CPU time that a process has used so far, user and system, in milliseconds; a multiple of the kernel's tick (10 ms). */
export function cpuMs(pid: number): number {
  return cpuTicks(readFileSync(`/proc/${pid}/stat`, 'utf8')) * tickMs();
}

/** Time that the main thread of a process has waited so far for a core to run on, in milliseconds. */
export function coreWaitMs(pid: number): number {
  return coreWaitNs(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8')) / 1e6;
}

/** The most memory that a process has held so far, in MB (10^6 bytes). */
export function peakMemoryMb(pid: number): number {
  return peakKib(readFileSync(`/proc/${pid}/status`, 'utf8')) * 1.024e-3;
}

/** Fields 14 and 15 of /proc/<pid>/stat; the command in field 2 may hold blanks and brackets. */
export function cpuTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** The second field of a schedstat. */
export function coreWaitNs(schedstat: string): number {
  return Number(schedstat.split(' ')[1]);
}

export function peakKib(status: string): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN);
}

let tick: number | undefined;

function tickMs(): number {
  tick ??= 1_000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  return tick;
}
