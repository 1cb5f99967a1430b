import { describe, expect, it } from 'vitest';
import type { Service } from '../core/lifecycle.ts';
import { SILENT_LOGGER } from '../core/log.ts';
import { eventually } from '../test/support/eventually.ts';
import { Lifecycle } from './lifecycle.ts';

function recorder(events: string[]) {
  return (name: string, failing?: 'start' | 'stop'): Service => ({
    name,
    start: async () => {
      events.push(`start ${name}`);
      if (failing === 'start') throw new Error('cannot start');
    },
    stop: async (hard) => {
      events.push(`stop ${name}${hard.aborted ? ' hard' : ''}`);
      if (failing === 'stop') throw new Error('cannot stop');
    },
  });
}

describe('the lifecycle', () => {
  it('stops in the reverse order of starting, once, even when one stop fails', async () => {
    const events: string[] = [];
    const service = recorder(events);
    const lifecycle = new Lifecycle([service('a'), service('b', 'stop'), service('c')], SILENT_LOGGER);
    await lifecycle.start(new AbortController().signal);
    await Promise.all([lifecycle.stop(1_000), lifecycle.stop(1_000)]);
    expect(events).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a']);
  });

  it('stops what it had started when one cannot start, and throws its error', async () => {
    const events: string[] = [];
    const service = recorder(events);
    const lifecycle = new Lifecycle([service('a'), service('b', 'start'), service('c')], SILENT_LOGGER);
    await expect(lifecycle.start(new AbortController().signal)).rejects.toThrow('cannot start');
    expect(events).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  });

  it('stops those of a stage together, each with the whole time, and what comes before them when all have stopped', async () => {
    const events: string[] = [];
    const service = recorder(events);
    const ends = new Map<string, () => void>();
    const slow = (name: string): Service => ({
      name,
      start: async () => undefined,
      stop: async () => {
        events.push(`stopping ${name}`);
        await new Promise<void>((resolve) => ends.set(name, resolve));
        events.push(`stopped ${name}`);
      },
    });
    const lifecycle = new Lifecycle([service('a'), [slow('b'), slow('c')], service('d')], SILENT_LOGGER);
    await lifecycle.start(new AbortController().signal);
    const stopping = lifecycle.stop(60_000);
    await eventually(() => ends.size === 2);
    ends.get('c')?.();
    ends.get('b')?.();
    await stopping;
    expect(events.slice(2)).toEqual(['stop d', 'stopping b', 'stopping c', 'stopped c', 'stopped b', 'stop a']);
  });

  it('turns hard when the time for a soft stop is over', async () => {
    let sawHard = false;
    const slow: Service = {
      name: 'slow',
      start: async () => undefined,
      stop: (hard) =>
        new Promise((resolve) => {
          hard.addEventListener('abort', () => {
            sawHard = true;
            resolve();
          });
        }),
    };
    const lifecycle = new Lifecycle([slow], SILENT_LOGGER);
    await lifecycle.start(new AbortController().signal);
    await lifecycle.stop(10);
    expect(sawHard).toBe(true);
  });
});
