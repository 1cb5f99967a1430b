import { describe, expect, it } from 'vitest';
import { eventRoute, Names } from './names.ts';

describe('the route of an event', () => {
  it.each([
    ['image', 'ImageRegistered', 'image.registered'],
    ['scan', 'ScanRewardCompensated', 'scan.reward_compensated'],
    ['character', 'CharacterAcquireFailed', 'character.acquire_failed'],
    ['my', 'ProfileUpdated', 'my.profile_updated'],
    ['auth', 'UserRegistered', 'auth.user_registered'],
    ['chat', 'ChatResponded', 'chat.responded'],
  ])('of %s %s is %s', (domain, type, route) => {
    expect(eventRoute(domain, type)).toBe(route);
  });
});

describe('names', () => {
  it('are those of the specification without a namespace', () => {
    const names = new Names();
    expect(names.eventTopic('scan.completed')).toBe('events.scan.completed');
    expect(names.deadLetterTopic('events.scan.completed', names.processorGroup('character'))).toBe(
      'events.scan.completed.processor.character.dlt',
    );
    expect(names.captureDeadLetterTopic('scan')).toBe('capture.scan.dlt');
    expect(names.slot('scan')).toBe('millrace_scan');
    expect(names.redisKey('character:1:list')).toBe('character:1:list');
    expect(names.index('scans')).toBe('scans');
  });

  it('carry the namespace everywhere', () => {
    const names = new Names('blue');
    expect([names.eventTopic('a.b'), names.slot('a'), names.redisKey('k'), names.index('i'), names.projectionGroup('p', 1)]).toEqual([
      'blue.events.a.b',
      'blue_millrace_a',
      'blue:k',
      'blue-i',
      'blue.projection.p.v1',
    ]);
  });

  it.each(['Blue', '1a', 'a-b', 'a.b', 'a'.repeat(22)])('refuse the namespace %j', (namespace) => {
    expect(() => new Names(namespace)).toThrow(RangeError);
  });
});
