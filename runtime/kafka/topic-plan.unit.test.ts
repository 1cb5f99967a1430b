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

  it('never lowers the limit for records that somebody has raised, and gives letters room for what their topic takes', () => {
    const events = { ...declared, topic: 'e', config: { 'max.message.bytes': '1000' } };
    const letters = { ...declared, topic: 'e.dlt', config: { 'max.message.bytes': '1100' }, lettersOf: { topic: 'e', roomBytes: 100 } };
    const there = (eventBytes: string, letterBytes: string) =>
      new Map([
        [
          'e',
          {
            partitions: 3,
            config: new Map([
              ['retention.ms', '1000'],
              ['max.message.bytes', eventBytes],
            ]),
          },
        ],
        [
          'e.dlt',
          {
            partitions: 3,
            config: new Map([
              ['retention.ms', '1000'],
              ['max.message.bytes', letterBytes],
            ]),
          },
        ],
      ]);
    const plan = (eventBytes: string, letterBytes: string) =>
      planTopics([events, letters], there(eventBytes, letterBytes)).map(describeTopicChange);
    expect(plan('1000', '1100')).toEqual([]);
    expect(plan('1000', '9000')).toEqual([]);
    expect(plan('900', '1100')).toEqual(['topic e: set max.message.bytes=1000']);
    expect(plan('5000', '1100')).toEqual(['topic e.dlt: set max.message.bytes=5100']);
    expect(plan('2147483647', '1100')).toEqual(['topic e.dlt: set max.message.bytes=2147483647']);
    expect(planTopics([events, letters], new Map()).map(describeTopicChange)[1]).toContain('max.message.bytes=1100');
  });

  it('adds partitions and never takes any away', () => {
    const config = { 'retention.ms': '1000', 'cleanup.policy': 'compact' };
    expect(planTopics([declared], existing(1, config)).map(describeTopicChange)).toEqual(['topic t: partitions 1 → 3']);
    expect(planTopics([declared], existing(9, config))).toEqual([]);
  });

  it('gives letters as many partitions as their topic has, to which somebody has added some', () => {
    const config = new Map([
      ['retention.ms', '1000'],
      ['cleanup.policy', 'compact'],
    ]);
    const letters = { ...declared, topic: 't.dlt', lettersOf: { topic: 't', roomBytes: 0 } };
    const grown = new Map([['t', { partitions: 12, config }]]);
    expect(planTopics([declared, letters], grown).map(describeTopicChange)).toEqual([
      'topic t.dlt: created with 12 partitions, retention.ms=1000, cleanup.policy=compact',
    ]);
    const behind = new Map([...grown, ['t.dlt', { partitions: 3, config }]]);
    expect(planTopics([declared, letters], behind).map(describeTopicChange)).toEqual(['topic t.dlt: partitions 3 → 12']);
    expect(planTopics([declared, letters], new Map([...grown, ['t.dlt', { partitions: 12, config }]]))).toEqual([]);
  });
});
