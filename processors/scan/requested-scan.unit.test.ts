import { describe, expect, it } from 'vitest';
import { scanCompleted, scanFailed, scanRequested } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { arrived } from '../../test/support/arrived.ts';
import { OCCURRED_AT, given } from '../../test/support/given.ts';
import { scanAggregate } from './aggregate.ts';
import { classifyRegisteredImage } from './classify-registered-image.ts';
import { classifyRequestedScan } from './classify-requested-scan.ts';
import { requestScan } from './request-scan.ts';

const scan_id = 'b6a1f7f6-6d43-5c39-9c16-0f2d1c7a0001';
const request = { scan_id, user_id: 'u1', image_url: 'https://cdn.example/1.jpg', user_input: 'a bottle' };
const requested = newEvent(scanRequested, request);
const event = arrived(scanRequested, request);
const record = { ...request, image_id: null, requested_at: OCCURRED_AT };
const task = { task_id: scan_id, scan_id, user_id: 'u1', created_at: OCCURRED_AT, updated_at: OCCURRED_AT };
const completed = newEvent(scanCompleted, {
  scan_id,
  user_id: 'u1',
  category: 'pet-bottle',
  reward_eligible: true,
  confidence: 0.9,
  version: '2.0',
  image_id: null,
});
const failed = (reason: string) => newEvent(scanFailed, { scan_id, user_id: 'u1', reason, image_id: null });

describe('RequestScan', () => {
  it('asks for a classification and keeps scan and task as requested', () => {
    given(scanAggregate, scan_id)
      .when(requestScan, request)
      .then({
        events: [requested],
        tables: { scan_records: [{ ...record, status: 'requested' }], scan_tasks: [{ ...task, status: 'requested' }] },
      });
  });

  it('asks once', () => {
    for (const past of [[requested], [requested, completed]]) {
      given(scanAggregate, scan_id, past).when(requestScan, request).then({ rejected: 'scan_already_requested' });
    }
  });
});

describe('a requested scan', () => {
  it('is classified by the address and the words of the request, under the key that every classification of the scan has', () => {
    expect(classifyRequestedScan.call?.request(event)).toEqual({ imageUrl: 'https://cdn.example/1.jpg', userInput: 'a bottle' });
    expect(classifyRequestedScan.idempotencyKey(event)).toBe(`scan:classify:${scan_id}`);
    expect(classifyRegisteredImage.call?.timeoutMs).toBe(classifyRequestedScan.call?.timeoutMs);
  });

  it('completes, and so does its task', () => {
    const outcome = { category: 'pet-bottle', confidence: 0.9, reward_eligible: true, reward_status: 'pending' };
    given(scanAggregate, scan_id, [requested])
      .when(classifyRequestedScan, event, { kind: 'classified', category: 'pet-bottle', confidence: 0.9 })
      .then({
        events: [completed],
        tables: {
          scan_records: [{ ...record, ...outcome, status: 'completed', completed_at: OCCURRED_AT }],
          scan_tasks: [{ ...task, status: 'completed' }],
        },
        result: { scan_id, outcome: 'classified' },
      });
  });

  it('fails when the classifier refuses it, and when the attempts are used up', () => {
    given(scanAggregate, scan_id, [requested])
      .when(classifyRequestedScan, event, { kind: 'rejected', reason: 'not_an_image' })
      .then({ events: [failed('not_an_image')], tables: { scan_tasks: [{ ...task, status: 'failed' }] } });
    const exhausted = classifyRequestedScan.call?.exhausted?.(undefined as never);
    given(scanAggregate, scan_id, [requested])
      .when(classifyRequestedScan, event, exhausted)
      .then({ events: [failed('classification_failed')] });
  });

  it('has a task that says when it changed last, also when another one completed it', () => {
    const changes = scanAggregate.tables({ ...completed, version: 2n, occurredAt: '2026-03-01T09:00:05.000000Z' }, scan_id);
    const set = { status: 'completed', updated_at: '2026-03-01T09:00:05.000000Z' };
    expect(changes).toContainEqual({ op: 'update', table: 'scan_tasks', key: { task_id: scan_id }, set });
  });

  it('without an address is not sent to the classifier, and still ends', () => {
    const nowhere = arrived(scanRequested, { scan_id, user_id: 'u1' });
    expect(classifyRequestedScan.call?.request(nowhere)).toBeUndefined();
    given(scanAggregate, scan_id, [newEvent(scanRequested, { scan_id, user_id: 'u1' })])
      .when(classifyRequestedScan, nowhere)
      .then({ events: [failed('image_url_missing')] });
  });

  it('is classified by its address alone when the user said nothing about it', () => {
    const wordless = arrived(scanRequested, { ...request, user_input: null });
    expect(classifyRequestedScan.call?.request(wordless)).toEqual({ imageUrl: 'https://cdn.example/1.jpg', userInput: undefined });
  });

  it('whose request is in no stream changes nothing', () => {
    given(scanAggregate, scan_id)
      .when(classifyRequestedScan, event, { kind: 'classified', category: 'paper', confidence: 0.9 })
      .then({ events: [], tables: { scan_records: [], scan_tasks: [] } });
  });

  it('that is decided already changes nothing', () => {
    for (const past of [completed, failed('not_an_image')]) {
      given(scanAggregate, scan_id, [requested, past])
        .when(classifyRequestedScan, event, { kind: 'classified', category: 'paper', confidence: 0.9 })
        .then({ events: [] });
    }
  });
});
