import { expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import type { ConnectorStatus, RunState } from './connect-rest.ts';
import { createConnectorWatch } from './connector-watch.ts';

const status = (state: RunState, ...tasks: RunState[]): ConnectorStatus => ({
  name: 'c',
  state,
  tasks: tasks.map((taskState, id) => ({ id, state: taskState, worker: 'w', ...(taskState === 'FAILED' ? { trace: 'boom' } : {}) })),
});

function watched() {
  const clock = new ManualClock();
  const restarts: number[] = [];
  const connect = { status: status('RUNNING', 'RUNNING') as ConnectorStatus | undefined | Error };
  const watch = createConnectorWatch({
    connector: 'c',
    clock,
    logger: SILENT_LOGGER,
    intervalMs: 1_000,
    restartMaxMs: 60_000,
    rest: {
      status: async () => {
        if (connect.status instanceof Error) throw connect.status;
        return connect.status;
      },
      restart: async () => {
        restarts.push(clock.monotonicMs());
      },
    },
  });
  return { clock, restarts, connect, watch, health: () => watch.health()[0]! };
}

it('says what Connect says of the connector', async () => {
  const { clock, connect, watch, health } = watched();
  expect(health().status).toBe('degraded');
  await watch.start(new AbortController().signal);
  await clock.advance(0);
  expect(health()).toMatchObject({ status: 'ok', facts: { state: 'RUNNING', tasks: 'RUNNING' } });
  const seen: [unknown, string, RegExp][] = [
    [status('PAUSED', 'PAUSED'), 'degraded', /is PAUSED/],
    [status('RUNNING'), 'degraded', /no running task/],
    [undefined, 'down', /run `millrace apply`/],
    [new ClassifiedError('CONNECT_UNAVAILABLE', 'Kafka Connect does not answer'), 'degraded', /CONNECT_UNAVAILABLE/],
    [status('RUNNING', 'FAILED'), 'down', /failed: boom/],
  ];
  for (const [next, verdict, detail] of seen) {
    connect.status = next as typeof connect.status;
    await clock.advance(1_000);
    expect(health().status).toBe(verdict);
    expect(health().detail).toMatch(detail);
  }
  await watch.stop(AbortSignal.abort());
  await watch.stop(AbortSignal.abort());
});

it('starts a failed task again after growing pauses, and anew once it has run', async () => {
  const { clock, restarts, connect, watch } = watched();
  await watch.start(new AbortController().signal);
  connect.status = status('RUNNING', 'FAILED');
  await clock.advance(200_000);
  const pauses = restarts.slice(1).map((at, index) => at - (restarts[index] ?? 0));
  expect(restarts.length).toBeGreaterThan(4);
  expect(restarts.length).toBeLessThan(40);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(62_000);
  expect(Math.max(...pauses)).toBeGreaterThan(Math.min(...pauses));
  connect.status = status('RUNNING', 'RUNNING');
  await clock.advance(2_000);
  connect.status = status('RUNNING', 'FAILED');
  const before = restarts.length;
  await clock.advance(1_000);
  expect(restarts).toHaveLength(before + 1);
  await watch.stop(AbortSignal.abort());
});
