import { describe, expect, it } from 'vitest';
import type { BreakerEvent, BreakerState } from './breaker-state.ts';
import { CLOSED, hasPassed, nextBreakerState } from './breaker-state.ts';

const RAMP_TO = 8;
const open = (because: 'outage' | 'suspicion', failures: number): BreakerState => ({ is: 'open', because, failures });
const half = (places: number, passed: number, failures = 1): BreakerState => ({
  is: 'half-open',
  because: 'outage',
  failures,
  places,
  passed,
});

describe('the state of a breaker', () => {
  it.each<[string, BreakerState, BreakerEvent, BreakerState]>([
    ['opens for an outage', CLOSED, 'outage', open('outage', 1)],
    ['opens on suspicion', CLOSED, 'suspicion', open('suspicion', 1)],
    ['stays closed for whoever passes', CLOSED, 'passed', CLOSED],
    ['stays open for those who met the outage too', open('outage', 3), 'outage', open('outage', 3)],
    ['becomes certain of what it suspected', open('suspicion', 3), 'outage', open('outage', 3)],
    ['does not doubt what it is certain of', open('outage', 3), 'suspicion', open('outage', 3)],
    ['does not close for one that had begun before', open('outage', 3), 'passed', open('outage', 3)],
    ['lets one try when the pause is over', open('outage', 3), 'pause-over', half(1, 0, 3)],
    ['opens for longer when the probe fails', half(1, 0, 3), 'failed', open('outage', 4)],
    ['does not count those who are no probes', half(2, 1, 3), 'outage', half(2, 1, 3)],
    ['lets two try when one has passed', half(1, 0), 'passed', half(2, 0)],
    ['waits for all of them', half(4, 2), 'passed', half(4, 3)],
    ['lets twice as many try when all have passed', half(4, 3), 'passed', half(8, 0)],
    ['closes when the ramp is full', half(8, 7), 'passed', CLOSED],
    ['closes when somebody has passed and nobody is left', half(2, 0), 'drained', CLOSED],
    ['stays half-open when nobody is left and nobody has passed', half(1, 0), 'drained', half(1, 0)],
  ])('%s', (_what, state, event, expected) => {
    expect(nextBreakerState(state, event, RAMP_TO)).toEqual(expected);
  });

  it('begins its patience anew once it has closed', () => {
    const events: BreakerEvent[] = ['outage', 'pause-over', 'failed', 'pause-over', 'passed', 'drained', 'outage'];
    expect(events.reduce((state, event) => nextBreakerState(state, event, RAMP_TO), CLOSED)).toEqual(open('outage', 1));
  });

  it('knows whether anybody has passed since it opened', () => {
    expect([CLOSED, open('outage', 1), half(1, 0), half(2, 0), half(2, 1)].map(hasPassed)).toEqual([true, false, false, true, true]);
  });
});
