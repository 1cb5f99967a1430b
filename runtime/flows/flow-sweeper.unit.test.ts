import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { ManualClock, settle } from '../../test/support/manual-clock.ts';
import type { Database } from '../postgres/database.ts';
import type { PassResult } from './flow-sweep.ts';
import { createFlowSweeper } from './flow-sweeper.ts';

const NOTHING: PassResult = { begun: 0, ended: 0, settled: 0, more: false, unread: [], failure: undefined };
const HARD = new AbortController().signal;

function sweeperUnderTest() {
  const clock = new ManualClock();
  const gauges = new Map<string, number>();
  const state = { passes: 0, held: true, released: 0, result: NOTHING as PassResult | ClassifiedError, overdue: 0 };
  const metrics: Metrics = { ...NO_METRICS, gauge: (name, labels, value) => gauges.set(`${name} ${Object.values(labels).join()}`, value) };
  const platform = {
    query: async (text: string) =>
      text.includes('GROUP BY')
        ? state.overdue > 0
          ? [{ saga: 'a', overdue: state.overdue, oldest: '2026-03-01T09:00:00.000000Z' }]
          : []
        : [{ now: '2026-03-01T09:10:00.000000Z' }],
  } as unknown as Database;
  const sweeper = createFlowSweeper({
    sweep: {
      pass: async () => {
        state.passes += 1;
        if (state.result instanceof ClassifiedError) throw state.result;
        return state.result;
      },
    },
    lock: { isHeld: async () => state.held, release: async () => void (state.released += 1) },
    platform,
    sagas: ['a', 'b'],
    metrics,
    clock,
    logger: SILENT_LOGGER,
  });
  return { sweeper, clock, gauges, state };
}

describe('the sweep of the flows', () => {
  it('makes a pass at once and then one a minute, and tells how many flows are overdue', async () => {
    const { sweeper, clock, gauges, state } = sweeperUnderTest();
    state.overdue = 3;
    await sweeper.start(HARD);
    await clock.advance(59_000);
    expect(state.passes).toBe(1);
    await clock.advance(61_000);
    expect(state.passes).toBe(3);
    expect(Object.fromEntries(gauges)).toEqual({
      'millrace_flows_overdue a': 3,
      'millrace_flows_overdue b': 0,
      'millrace_flows_oldest_waiting_seconds a': 600,
      'millrace_flows_oldest_waiting_seconds b': 0,
    });
    expect(sweeper.health()[0]).toMatchObject({ status: 'ok', facts: { state: 'active', overdue: 3, oldest_waiting_seconds: 600 } });
    await sweeper.stop(HARD);
    expect(state.released).toBe(1);
  });

  it('stands by while another process has the lock, tells nothing then, and takes over', async () => {
    const { sweeper, clock, gauges, state } = sweeperUnderTest();
    Object.assign(state, { held: false, overdue: 3 });
    await sweeper.start(HARD);
    await settle();
    expect([state.passes, gauges.get('millrace_flows_overdue a')]).toEqual([0, 0]);
    expect(sweeper.health()[0]).toMatchObject({ status: 'ok', facts: { state: 'standby' } });
    state.held = true;
    await clock.advance(60_000);
    expect([state.passes, gauges.get('millrace_flows_overdue a')]).toEqual([1, 3]);
    await sweeper.stop(HARD);
  });

  it('goes on at once when a pass met a limit', async () => {
    const { sweeper, clock, state } = sweeperUnderTest();
    state.result = { ...NOTHING, more: true };
    await sweeper.start(HARD);
    await clock.advance(5_000);
    expect(state.passes).toBeGreaterThan(4);
    await sweeper.stop(HARD);
  });

  it('is degraded while it, or a part of it, fails or a database cannot be read, and well again after a pass', async () => {
    const { sweeper, clock, state } = sweeperUnderTest();
    state.result = new ClassifiedError('POSTGRES_UNAVAILABLE', 'the database does not answer');
    await sweeper.start(HARD);
    await settle();
    expect(sweeper.health()[0]).toMatchObject({ status: 'degraded', detail: expect.stringContaining('POSTGRES_UNAVAILABLE') as string });
    state.result = { ...NOTHING, failure: new ClassifiedError('STATE_INVALID', 'a flow cannot be written') };
    await clock.advance(60_000);
    expect(sweeper.health()[0]).toMatchObject({ status: 'degraded', detail: expect.stringContaining('STATE_INVALID') as string });
    state.result = { ...NOTHING, unread: ['scan'] };
    await clock.advance(60_000);
    expect(sweeper.health()[0]).toMatchObject({ status: 'degraded', detail: 'the databases of scan could not be read' });
    state.result = NOTHING;
    await clock.advance(60_000);
    expect(sweeper.health()[0]?.status).toBe('ok');
    await sweeper.stop(HARD);
  });
});
