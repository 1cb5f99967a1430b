import { afterEach, describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { utf8 } from '../../core/record.ts';
import { bank } from '../../test/support/bank-domain.ts';
import { eventually } from '../../test/support/eventually.ts';
import { createInMemoryBroker } from '../kafka/in-memory-broker.ts';
import { systemClock } from '../telemetry/system-clock.ts';
import { createDeadLetterCare } from './dead-letter-care.ts';
import type { LetterQueue } from './letter-queues.ts';
import type { HeldPartition, LetterStates, StateCount } from './letter-states.ts';

const queue: LetterQueue = { topic: 'capture.bank.dlt', group: 'capture.bank', reader: { kind: 'capture', domain: bank } };
const started: { stop(hard: AbortSignal): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of started.splice(0)) await one.stop(AbortSignal.abort());
});

/** A topic with so many letters, and what the database says of them. */
async function underTest(letters: number, counts: () => readonly Omit<StateCount, 'topicId'>[]) {
  const broker = createInMemoryBroker();
  await broker.admin().ensureTopics([{ topic: queue.topic, partitions: 2, retentionMs: 1, replicationFactor: 1 }]);
  const send = async (count: number): Promise<void> =>
    broker
      .producer({ clientId: 't' })
      .send(Array.from({ length: count }, (_, n) => ({ topic: queue.topic, partition: n % 2, key: utf8('k'), value: null, headers: [] })));
  await send(letters);
  const forgotten: (readonly HeldPartition[])[] = [];
  const gauges = new Map<string, number>();
  const metrics: Metrics = {
    ...NO_METRICS,
    gauge: (name, labels, value) => void gauges.set(`${name} ${Object.values(labels).join(' ')}`, value),
  };
  let sweeps = 0;
  const states: Pick<LetterStates, 'counts' | 'forgetGone'> = {
    counts: async (partitions) => counts().map((count) => ({ topicId: partitions[0]?.topicId ?? '', ...count })),
    forgetGone: async (partitions) => {
      forgotten.push(partitions);
      return 0;
    },
  };
  const care = createDeadLetterCare({
    ...{
      queues: [queue],
      reader: broker.logReader(),
      archive: undefined,
      sweepAudit: async () => (sweeps += 1),
      metrics,
      logger: SILENT_LOGGER,
      clock: systemClock,
      intervalMs: 1,
    },
    states,
  });
  started.push(care);
  await care.start(new AbortController().signal);
  return { care, gauges, forgotten, send, swept: () => sweeps };
}

describe('the care for dead letters', () => {
  it('counts what nobody has handled, and forgets what is gone', async () => {
    const { care, gauges, forgotten, send, swept } = await underTest(10, () => [
      { state: 'replayed', letters: 3 },
      { state: 'discarded', letters: 1 },
      { state: 'archived', letters: 2 },
    ]);
    await eventually(() => gauges.get('millrace_dead_letters capture.bank.dlt open') === 4);
    expect(gauges.get('millrace_dead_letters capture.bank.dlt archived')).toBe(2);
    await eventually(() => forgotten.length > 0);
    expect(forgotten[0]?.map(({ partition, earliest }) => [partition, earliest])).toEqual([
      [0, 0n],
      [1, 0n],
    ]);
    expect(care.health()).toEqual([{ name: 'dead-letters', status: 'ok', facts: { unhandled: 6 } }]);
    await send(5);
    await eventually(() => gauges.get('millrace_dead_letters capture.bank.dlt open') === 9);
    await eventually(() => swept() > 1);
  });

  it('is degraded while it cannot count, and well again when it can', async () => {
    let away = true;
    const { care } = await underTest(1, () => {
      if (away) throw new ClassifiedError('POSTGRES_UNAVAILABLE', 'the platform database is away');
      return [];
    });
    await eventually(() => care.health()[0]?.status === 'degraded');
    expect(care.health()[0]?.detail).toContain('POSTGRES_UNAVAILABLE');
    away = false;
    await eventually(() => care.health()[0]?.status === 'ok');
    expect(care.health()[0]?.facts).toEqual({ unhandled: 1 });
  });
});
