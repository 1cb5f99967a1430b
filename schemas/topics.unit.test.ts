import { describe, expect, it } from 'vitest';
import { definePipeline } from '../core/define-pipeline.ts';
import { defineProjection } from '../core/define-projection.ts';
import { NOTHING, defineDomain, defineProcessor, defineReaction } from '../core/define.ts';
import { Names } from '../core/names.ts';
import { scanCompleted, scanFailed } from './catalogue.ts';
import { topicsOf } from './topics.ts';

const nothing = { type: 'nothing', initial: () => null, evolve: () => null, tables: () => [] };
const reaction = defineReaction({
  on: scanCompleted,
  aggregate: nothing,
  aggregateId: (event) => event.payload.user_id,
  idempotencyKey: (event) => event.id,
  decide: () => NOTHING,
});
const pipeline = definePipeline({
  domains: [
    defineDomain({ name: 'scan', events: [scanCompleted, scanFailed], aggregates: [], captured: true }),
    defineDomain({
      name: 'notification',
      events: [],
      aggregates: [],
      processor: defineProcessor({ domain: 'notification', reactions: [reaction] }),
      captured: false,
    }),
  ],
  projections: [
    defineProjection({
      store: 'redis',
      name: 'failures',
      version: 2,
      structure: 'hash',
      reads: [scanFailed],
      ttlMs: undefined,
      mutations: () => [],
      history: () => [],
    }),
  ],
});

describe('the topics of a pipeline', () => {
  it('are its events, a dead-letter topic per group and topic, one per captured domain, and the memory of the captures', () => {
    const topics = topicsOf(pipeline, new Names(), 1);
    expect(Object.fromEntries(topics.map(({ topic, partitions }) => [topic, partitions]))).toEqual({
      'capture.sources': 1,
      'events.scan.completed': 6,
      'events.scan.completed.processor.notification.dlt': 6,
      'events.scan.failed': 3,
      'events.scan.failed.projection.failures.v2.dlt': 3,
      'capture.scan.dlt': 3,
    });
    expect(topics.find(({ topic }) => topic === 'capture.sources')).toMatchObject({
      retentionMs: -1,
      config: { 'cleanup.policy': 'compact' },
    });
    for (const topic of topics.filter(({ topic }) => topic !== 'capture.sources')) {
      // A record lives for as long as its segment was written to, and longer: not for Kafka's week.
      const config = { 'cleanup.policy': 'delete', 'segment.ms': (12 * 3_600_000).toString() };
      expect(topic).toMatchObject({ retentionMs: 30 * 86_400_000, replicationFactor: 1, config });
      expect(topic.config).not.toHaveProperty('min.insync.replicas');
    }
  });

  it('need two replicas in sync once there are three', () => {
    for (const topic of topicsOf(pipeline, new Names(), 3)) {
      expect(topic).toMatchObject({ replicationFactor: 3, config: { 'min.insync.replicas': '2' } });
    }
  });

  it('carry the namespace, each name once and in order', () => {
    const names = topicsOf(pipeline, new Names('blue'), 1).map(({ topic }) => topic);
    expect(names).toContain('blue.events.scan.completed.blue.processor.notification.dlt');
    expect(names).toEqual([...new Set(names)].sort());
    for (const name of names) expect(name).toMatch(/^blue\./);
  });
});
