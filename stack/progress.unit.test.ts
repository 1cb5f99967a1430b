import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { progressOn } from './progress.ts';

test('without a terminal every step is one plain line', () => {
  const { stream, text } = recorder(false);
  const progress = progressOn(stream);
  progress.report({ part: 'kafka', step: 'starting' });
  progress.report({ part: 'kafka', step: 'ready' });
  progress.close();
  expect(text()).toMatch(/^kafka {9}starting \(0\.\d s\)\nkafka {9}ready \(0\.\d s\)\n$/);
});

test('on a terminal every part has one line, which is drawn again in its place', () => {
  const { stream, text } = recorder(true);
  const progress = progressOn(stream);
  progress.report({ part: 'kafka', step: 'starting' });
  progress.report({ part: 'redis', step: 'installing', detail: 'a name that is much longer than the terminal is wide' });
  progress.report({ part: 'kafka', step: 'ready' });
  progress.close();
  const lastFrame = text().split('\x1b[2A').at(-1)!;
  expect(lastFrame.replaceAll('\x1b[2K', '')).toBe('kafka         ready\nredis         installing: a name that …\n');
});

function recorder(isTTY: boolean): { stream: NodeJS.WriteStream; text: () => string } {
  const stream = new PassThrough({ encoding: 'utf8' });
  const text = () => stream.read() as string;
  return { stream: Object.assign(stream, { isTTY, columns: 40 }) as unknown as NodeJS.WriteStream, text };
}
