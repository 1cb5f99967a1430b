import { afterEach, describe, expect, it } from 'vitest';
import { ClassifiedError } from '../core/errors.ts';
import { SILENT_LOGGER } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { NO_METRICS } from '../core/metrics.ts';
import { eventually } from '../test/support/eventually.ts';
import { createParkedOrphanWatch } from './parked-orphan-watch.ts';
import type { ParkedOrphans } from './parked-orphans.ts';
import { liveReaders, orphanReason } from './parked-orphans.ts';
import { systemClock } from './telemetry/system-clock.ts';

describe('the owner of parked records', () => {
  const readings = new Map([['processor.scan', new Set(['events.a', 'events.gone'])]]);
  const partitions = new Map([
    ['events.a', 3],
    ['events.b', 3],
  ]);
  const reason = (group: string, topic: string, partition: number) => orphanReason({ group, topic, partition }, readings, partitions);

  it('is a group of the pipeline that reads their partition, which is there', () => {
    expect(reason('processor.scan', 'events.a', 2)).toBeUndefined();
    expect(reason('processor.scan', 'events.a', 3)).toBe('partition-missing');
    expect(reason('processor.scan', 'events.gone', 0)).toBe('topic-missing');
    expect(reason('processor.scan', 'events.b', 0)).toBe('topic');
    expect(reason('processor.was', 'events.a', 0)).toBe('group');
  });
});

describe('a reader that only Kafka knows', () => {
  const place = { partition: 0, domain: 'scan', records: 1, oldestAgeMs: 1 };
  const orphan = (group: string, topic: string, reason: ParkedOrphans['reason']): ParkedOrphans => ({ ...place, group, topic, reason });
  const readersOf = (orphans: readonly ParkedOrphans[], members: Readonly<Record<string, readonly (readonly string[] | undefined)[]>>) =>
    liveReaders(orphans, { members: async (group) => (members[group] ?? []).map((topics) => ({ clientId: 'c', topics })) });

  it('is a member that subscribes to the topic, or whose topics cannot be told now', async () => {
    const orphans = [orphan('g', 'b', 'group'), orphan('g', 'a', 'group'), orphan('g', 'c', 'topic'), orphan('h', 'a', 'group')];
    expect(await readersOf(orphans, { g: [['a'], ['b', 'z']], h: [undefined] })).toEqual([
      { group: 'g', members: 2, topics: ['a', 'b'] },
      { group: 'h', members: 1, topics: ['a'] },
    ]);
  });

  it('is nobody in a group without members, of another topic, or where Kafka has no such topic or partition', async () => {
    expect(await readersOf([orphan('g', 'a', 'group')], {})).toEqual([]);
    expect(await readersOf([orphan('g', 'a', 'topic')], { g: [['b']] })).toEqual([]);
    expect(await readersOf([orphan('g', 'a', 'partition-missing'), orphan('g', 'b', 'topic-missing')], { g: [['a', 'b']] })).toEqual([]);
  });
});

describe('the watch over parked records without an owner', () => {
  const started: { stop(hard: AbortSignal): Promise<void> }[] = [];
  afterEach(async () => {
    for (const one of started.splice(0)) await one.stop(AbortSignal.abort());
  });

  async function watching(find: () => Promise<readonly ParkedOrphans[]>) {
    const gauges = new Map<string, number>();
    const metrics: Metrics = {
      ...NO_METRICS,
      gauge: (name, labels, value) => void gauges.set(`${name} ${Object.values(labels).join()}`, value),
    };
    const watch = createParkedOrphanWatch({ find, metrics, logger: SILENT_LOGGER, clock: systemClock, intervalMs: 1 });
    started.push(watch);
    await watch.start(new AbortController().signal);
    return { watch, gauges };
  }

  it('says whose they were, since when, and what to do, and is well again when they are gone', async () => {
    const place = { domain: 'scan', topic: 'events.a', records: 2, oldestAgeMs: 7_200_000 };
    let orphans: readonly ParkedOrphans[] = [
      { ...place, group: 'processor.was', partition: 0, reason: 'group' },
      { ...place, group: 'processor.scan', partition: 9, reason: 'partition-missing', oldestAgeMs: 1_000 },
    ];
    const { watch, gauges } = await watching(async () => orphans);
    await eventually(() => watch.health()[0]?.status === 'degraded');
    const [report] = watch.health();
    expect(report?.facts).toEqual({ orphans: 4 });
    expect(report?.detail).toMatch(/^4 parked records have no owner, the oldest since 2 h/);
    expect(report?.detail).toContain('processor.was: no such group is in this pipeline; processor.scan: events.a has no partition 9');
    expect(report?.detail).toContain('millrace parked discard --orphans');
    expect(gauges.get('millrace_parked_orphans processor.was')).toBe(2);
    expect(gauges.get('millrace_parked_orphans_oldest_seconds processor.was')).toBe(7_200);
    orphans = [];
    await eventually(() => watch.health()[0]?.status === 'ok');
    expect(gauges.get('millrace_parked_orphans processor.was')).toBe(0);
    expect(gauges.get('millrace_parked_orphans_oldest_seconds processor.was')).toBe(0);
  });

  it('goes on after a server was away', async () => {
    let away = true;
    const { watch } = await watching(async () => {
      if (away) throw new ClassifiedError('KAFKA_UNAVAILABLE', 'away');
      return [];
    });
    await eventually(() => watch.health()[0]?.status === 'degraded');
    expect(watch.health()[0]?.detail).toContain('KAFKA_UNAVAILABLE');
    away = false;
    await eventually(() => watch.health()[0]?.status === 'ok');
  });
});
