import { describe, expect, it } from 'vitest';
import type { EventRecord } from '../../core/envelope.ts';
import { eventId } from '../../core/envelope.ts';
import { offset } from '../../core/offset.ts';
import { pipeline } from '../../pipeline.ts';
import { scanToReward } from '../../processors/sagas/scan-to-reward.ts';
import { characterAcquired, imageRegistered, profileUpdated, scanCompleted, scanFailed } from '../../schemas/catalogue.ts';
import { arrived } from '../../test/support/arrived.ts';
import type { Flow, Verdict } from './flow.ts';
import { expectedSteps, judgeFlow, stepName } from './flow.ts';
import { after, begun, rowOf } from './flow-row.ts';
import { isGivenUp, whereaboutsOf } from './whereabouts.ts';

const user_id = 'u1';
const scan_id = 'b6a1f7f6-6d43-5c39-9c16-0f2d1c7a0001';
const at = (second: number) => ({
  id: eventId(`0e000000-0000-4000-8000-${second.toString().padStart(12, '0')}`),
  occurredAt: `2026-03-01T09:00:${second.toString().padStart(2, '0')}.000001Z`,
});
const registered = arrived(imageRegistered, { image_id: 'i1', user_id, cdn_url: 'https://cdn.example/1.jpg' }, at(0));
const completed = (reward_eligible: boolean) =>
  arrived(scanCompleted, { scan_id, user_id, category: 'pet-bottle', reward_eligible, image_id: 'i1' }, at(1));
const acquired = arrived(
  characterAcquired,
  { user_id, character_id: 'c1', character_name: 'Pet', source: 'scan', source_id: scan_id },
  at(2),
);
const updated = arrived(profileUpdated, { user_id, total_characters: 1 }, at(3));

function flow(events: readonly EventRecord[], ...done: readonly string[]): Flow {
  const steps = expectedSteps(pipeline, events).map((step) => {
    const name = stepName(step.domain, step.event.type);
    const { occurredAt } = step.event;
    const row = { startedAt: undefined, endedAt: after(occurredAt, 500), status: 'done', result: null };
    return { ...step, done: done.includes(name) ? row : undefined, unread: false };
  });
  return { id: registered.id, events, steps, gaps: [] };
}

const deadlineAt = '2026-03-01T09:15:00.000001Z';
const judge = (subject: Flow, now = '2026-03-01T09:01:00.000000Z'): Verdict => judgeFlow(scanToReward, subject, { deadlineAt, now });
const waits = (verdict: Verdict): readonly string[] =>
  verdict.status === 'ended' ? [] : verdict.waiting.map(({ domain, event }) => stepName(domain, event.type));

describe('a flow', () => {
  it('is running until its deadline, and says which steps have not come', () => {
    const verdict = judge(flow([registered]));
    expect([verdict.status, waits(verdict)]).toEqual(['running', ['image:ImageRegistered', 'scan:ImageRegistered']]);
    const later = judge(flow([registered, completed(true)], 'image:ImageRegistered', 'scan:ImageRegistered'));
    expect(waits(later)).toEqual(['character:ScanCompleted']);
  });

  it('is overdue from its deadline on, to the microsecond', () => {
    expect(judge(flow([registered]), '2026-03-01T09:15:00.000000Z').status).toBe('running');
    expect(judge(flow([registered]), deadlineAt).status).toBe('overdue');
  });

  it('ends with the first end whose evidence is there, at the time of the last piece of it', () => {
    const failed = arrived(scanFailed, { scan_id, user_id, reason: 'not_an_image' }, at(1));
    expect(judge(flow([registered, failed]))).toEqual({ status: 'ended', end: 'failed', endedAt: failed.occurredAt });
    expect(judge(flow([registered, completed(false)]))).toMatchObject({ status: 'ended', end: 'not_eligible' });
    const granted = [registered, completed(true), acquired, updated];
    expect(judge(flow(granted)).status).toBe('running');
    expect(judge(flow(granted, 'scan:CharacterAcquired'))).toEqual({ status: 'ended', end: 'granted', endedAt: updated.occurredAt });
    expect(judge(flow([registered, completed(true), acquired], 'scan:CharacterAcquired')).status).toBe('running');
  });

  it('has ended however late its end came', () => {
    expect(judge(flow([registered, completed(false)]), '2026-03-02T09:00:00.000000Z').status).toBe('ended');
  });

  it('waits without a key for a step whose reaction throws over the payload, and finds no end in it', () => {
    const broken = { ...registered, payload: null };
    const alone = flow([broken, { ...completed(true), payload: null }]);
    expect(alone.steps[0]?.key).toBeUndefined();
    expect(waits(judge(alone))).toContain('scan:ImageRegistered');
  });

  it('is looked at when it becomes overdue, then ever more rarely, and never again once it has ended', () => {
    const row = begun(scanToReward, 'image', {
      flowId: 'f',
      traceId: undefined,
      eventId: registered.id,
      type: '',
      at: registered.occurredAt,
    });
    expect(row.deadline_at).toBe(deadlineAt);
    const next = (now: string, subject = flow([registered])) => rowOf(row, judge(subject, now), [], now).next_look_at;
    expect(next('2026-03-01T09:00:30.000000Z')).toBe('2026-03-01T09:01:30.000000Z');
    expect(next('2026-03-01T09:14:30.000000Z')).toBe(deadlineAt);
    expect(next('2026-03-01T09:20:00.000000Z')).toMatch(/^2026-03-01T09:2[45]/);
    expect(next('2026-03-04T09:00:00.000000Z')).toBe('2026-03-04T09:15:00.000000Z');
    expect(next('2026-03-01T09:20:00.000000Z', flow([registered, completed(false)]))).toBeNull();
  });
});

describe('the record that a step waits for', () => {
  const place = { topic: 'events.scan.completed', partition: 0, offset: offset(7n) };
  const letter = { topic: 'events.scan.completed.processor.character.dlt', errorCode: 'DECISION_FAILED' };
  const parked = { attempt: 1, dueAt: '2026-03-01T09:00:10.000000Z', blocked: false, errorCode: 'HANDLER_FAILED' };
  const found = { at: place, committed: offset(8n), letter: undefined, parked: undefined };

  it('comes by itself while its group has not passed it, and while it is parked, replayed from a dead letter or not', () => {
    for (const committed of [undefined, offset(0n), offset(7n)]) {
      const where = whereaboutsOf({ ...found, committed });
      expect([where.kind, isGivenUp(where)]).toEqual(['ahead', false]);
    }
    for (const given of [undefined, letter]) {
      const where = whereaboutsOf({ ...found, letter: given, parked });
      expect([where.kind, isGivenUp(where)]).toEqual(['parked', false]);
    }
    expect(isGivenUp({ kind: 'unpublished' })).toBe(false);
    expect(isGivenUp({ kind: 'unknown', why: 'Kafka is away' })).toBe(false);
  });

  it('will not come once its group has passed it and nothing holds it but a dead letter', () => {
    expect(whereaboutsOf({ ...found, letter })).toMatchObject({ kind: 'dead-lettered', errorCode: 'DECISION_FAILED' });
    expect(whereaboutsOf(found).kind).toBe('passed');
    expect(isGivenUp(whereaboutsOf(found)) && isGivenUp(whereaboutsOf({ ...found, letter }))).toBe(true);
  });
});
