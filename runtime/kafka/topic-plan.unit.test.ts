import { describe, expect, it } from 'vitest';
import { describeTopicChange, planTopics } from './topic-plan.ts';

const declared = { topic: 't', partitions: 3, retentionMs: 1_000, replicationFactor: 1, config: { 'cleanup.policy': 'compact' } };

function existing(partitions: number, config: Record<string, string>) {
  return new Map([['t', { partitions, config: new Map(Object.entries(config)) }]]);
}

describe('the plan for topics', () => {
  it('makes what is missing with everything that is declared', () => {
    expect(planTopics([declared], new Map()).map(describeTopicChange)).toEqual([
      'topic t: created with 3 partitions, retention.ms=1000, cleanup.policy=compact',
    ]);
  });

  it('is empty when all is as declared, whoever set it', () => {
    expect(planTopics([declared], existing(3, { 'retention.ms': '1000', 'cleanup.policy': 'compact', other: 'x' }))).toEqual([]);
  });

  it('corrects only what differs', () => {
    const plan = planTopics([declared], existing(3, { 'retention.ms': '5', 'cleanup.policy': 'compact' }));
    expect(plan).toEqual([{ kind: 'configure', topic: 't', config: new Map([['retention.ms', '1000']]) }]);
  });

  it('adds partitions and never takes any away', () => {
    const config = { 'retention.ms': '1000', 'cleanup.policy': 'compact' };
    expect(planTopics([declared], existing(1, config)).map(describeTopicChange)).toEqual(['topic t: partitions 1 → 3']);
    expect(planTopics([declared], existing(9, config))).toEqual([]);
  });
});
