import { expect, it } from 'vitest';
import { Names } from '../../core/names.ts';
import { pipeline } from '../../pipeline.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { laneOf, overtakingTopics } from './lane.ts';

const OVERTAKING = new Set(['events.compensated']);

it('a lane is the key over all topics, the partition where there is no key, and key and topic where the event overtakes', () => {
  const lane = (topic: string, key: string | null) => laneOf(consumedRecord({ at: 1, topic, key, partition: 2 }), OVERTAKING);
  expect(lane('events.one', 'a')).toBe(lane('events.two', 'a'));
  const lanes = [lane('events.one', 'a'), lane('events.one', 'b'), lane('events.compensated', 'a'), lane('events.compensated', 'b')];
  const keyless = [lane('events.one', null), lane('events.two', null)];
  expect(new Set([...lanes, ...keyless]).size).toBe(6);
});

it('a lane stays short however long the key is, and is the same for the same key', () => {
  const lane = (key: string, topic = 'events.one') => laneOf(consumedRecord({ at: 1, topic, key }), OVERTAKING);
  const long = 'k'.repeat(1_000_000);
  const lanes = [lane('k'.repeat(256)), lane('k'.repeat(257)), lane(long), lane(`${long}k`), lane(long, 'events.compensated')];
  expect(new Set(lanes).size).toBe(5);
  expect(Math.max(...lanes.map((name) => name.length))).toBeLessThanOrEqual(256);
  expect(lane(long, 'events.two')).toBe(lane(long));
});

it('a failed reward is compensated whatever waits of its user', () => {
  const scan = pipeline.domains.find(({ name }) => name === 'scan');
  expect([...overtakingTopics(scan?.processor, pipeline, new Names('t'))]).toEqual(['t.events.character.acquire_failed']);
  expect(overtakingTopics(undefined, pipeline, new Names())).toEqual(new Set());
});
