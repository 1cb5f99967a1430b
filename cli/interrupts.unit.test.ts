import { EventEmitter } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { interrupts } from './interrupts.ts';

function pressed(...atMs: readonly number[]) {
  const exited: number[] = [];
  const firsts: NodeJS.Signals[] = [];
  const process = Object.assign(new EventEmitter(), { exit: (code: number) => exited.push(code) });
  const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  let now = 0;
  const given = interrupts({ leaves: 'the servers go on', onFirst: (signal) => firsts.push(signal), process, nowMs: () => now });
  for (now of atMs) process.emit('SIGINT', 'SIGINT');
  return { given, exited, firsts, process, said: said.mock.calls.map(([line]) => String(line).trim()) };
}
afterEach(() => {
  vi.restoreAllMocks();
});

describe('Ctrl-C', () => {
  it('asks for an end in order', () => {
    const { given, exited, firsts } = pressed(0);
    expect([given.signal.aborted, firsts, exited]).toEqual([true, ['SIGINT'], []]);
  });

  it('counts once when npm sends it on', () => {
    expect(pressed(0, 3, 499)).toMatchObject({ exited: [], firsts: ['SIGINT'], said: [] });
  });

  it('ends the process at once when it is pressed again, and says what that leaves behind', () => {
    expect(pressed(0, 3, 2_000)).toMatchObject({ exited: [130], firsts: ['SIGINT'], said: ['ended at once: the servers go on'] });
  });

  it('is nobody else’s when the work is done', () => {
    const { given, process } = pressed();
    given.end();
    expect([process.listenerCount('SIGINT'), process.listenerCount('SIGTERM')]).toEqual([0, 0]);
  });
});
