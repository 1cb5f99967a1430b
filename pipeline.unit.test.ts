import { describe, expect, it } from 'vitest';
import { Names } from './core/names.ts';
import { pipeline } from './pipeline.ts';
import { topicsOf } from './schemas/topics.ts';

describe('the pipeline', () => {
  it('takes every event to the steps of the choreography that wait for it', () => {
    const steps = pipeline.domains.flatMap((domain) =>
      (domain.processor?.reactions ?? []).map((reaction) => `${reaction.on} → ${domain.name}`),
    );
    expect(steps.sort()).toEqual([
      'CharacterAcquireFailed → scan',
      'CharacterAcquired → my',
      'CharacterAcquired → scan',
      'CharacterLost → my',
      'ChatResponded → notification',
      'ImageRegistered → image',
      'ImageRegistered → scan',
      'MessagePosted → chat',
      'ProfileUpdated → notification',
      'ScanCompleted → character',
      'ScanFailed → notification',
      'ScanRequested → scan',
      'ScanRewardCompensated → notification',
    ]);
  });

  it('decides over aggregates that their domains list', () => {
    for (const domain of pipeline.domains) {
      for (const reaction of domain.processor?.reactions ?? []) {
        expect(domain.processor?.domain).toBe(domain.name);
        expect(domain.aggregates).toContain(reaction.aggregate);
      }
    }
  });

  it('captures every domain that publishes', () => {
    for (const domain of pipeline.domains) expect(domain.captured).toBe(domain.events.length > 0);
  });

  it('declares a topic for every event and every way to fail, each once', () => {
    const topics = topicsOf(pipeline, new Names(), 1).map(({ topic }) => topic);
    expect(new Set(topics).size).toBe(topics.length);
    expect(topics).toEqual(
      expect.arrayContaining([
        'events.image.registered',
        'events.image.registered.processor.scan.dlt',
        'events.character.acquired.processor.my.dlt',
        'events.character.acquired.projection.character-list.v1.dlt',
        'capture.scan.dlt',
      ]),
    );
    expect(topics).not.toContain('capture.notification.dlt');
    // Kafka's limit for a topic's name, with the longest namespace.
    for (const { topic } of topicsOf(pipeline, new Names('n'.repeat(21)), 1)) expect(topic.length).toBeLessThanOrEqual(249);
  });
});
