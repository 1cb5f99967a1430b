import { expect, test } from 'vitest';
import { coreWaitMs, coreWaitNs, cpuMs, cpuTicks, peakKib, peakMemoryMb } from './process-usage.ts';

test('CPU time is the sum of user and system time, also of a process with blanks and brackets in its name', () => {
  const fields = ['S', ...Array.from({ length: 10 }, () => '0'), '250', '31', '7', '7'];
  expect(cpuTicks(`4711 (a ) b) ${fields.join(' ')}`)).toBe(281);
});

test('the peak of the memory is found in the status, and what is missing is not taken for nothing', () => {
  expect(peakKib('Name:\tnode\nVmPeak:\t 9 kB\nVmHWM:\t   97656 kB\nVmRSS:\t 5 kB\n')).toBe(97_656);
  expect(peakKib('Name:\tnode\n')).toBeNaN();
});

test('the time without a core is the second number of a schedstat', () => {
  expect(coreWaitNs('3157640451 97330542 12345\n')).toBe(97_330_542);
});

test.skipIf(process.platform !== 'linux')('this process has used CPU time and memory', () => {
  expect(cpuMs(process.pid)).toBeGreaterThan(0);
  expect(peakMemoryMb(process.pid)).toBeGreaterThan(10);
  expect(coreWaitMs(process.pid)).toBeGreaterThanOrEqual(0);
});
