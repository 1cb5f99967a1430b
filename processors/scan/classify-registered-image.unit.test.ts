import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { imageRegistered, scanCompleted, scanFailed } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { arrived } from '../../test/support/arrived.ts';
import { OCCURRED_AT, given } from '../../test/support/given.ts';
import { UNREWARDED_CATEGORIES } from '../waste-categories.ts';
import { scanAggregate } from './aggregate.ts';
import { classifyRegisteredImage } from './classify-registered-image.ts';
import { scanIdOf } from './scan-id.ts';

const image_id = '5f0a6a6e-5a57-4a9a-8f39-1b2ad3c3b001';
const event = arrived(imageRegistered, { image_id, user_id: 'u1', cdn_url: 'https://cdn.example/1.jpg' });
const scan_id = scanIdOf(image_id);
const classified = (category: string, confidence: number) => ({ kind: 'classified', category, confidence }) as const;
const completed = (category: string, confidence: number, reward_eligible: boolean) =>
  newEvent(scanCompleted, { scan_id, user_id: 'u1', category, reward_eligible, confidence, version: '2.0', image_id });
const row = { scan_id, user_id: 'u1', image_id, image_url: 'https://cdn.example/1.jpg', user_input: null, completed_at: OCCURRED_AT };

describe('a registered image', () => {
  it('is classified by its address on the CDN, within five seconds', () => {
    expect(classifyRegisteredImage.call?.request(event)).toEqual({ imageUrl: 'https://cdn.example/1.jpg', userInput: undefined });
    expect(classifyRegisteredImage.call?.timeoutMs).toBe(5_000);
    expect(classifyRegisteredImage.idempotencyKey(event)).toBe(`scan:classify:${scan_id}`);
  });

  it('completes the scan with a pending reward when its category earns one', () => {
    const result = { category: 'pet-bottle', confidence: 0.93, reward_eligible: true, reward_status: 'pending', status: 'completed' };
    given(scanAggregate, scan_id)
      .when(classifyRegisteredImage, event, classified('pet-bottle', 0.93))
      .then({
        events: [completed('pet-bottle', 0.93, true)],
        tables: { scan_records: [{ ...row, ...result }] },
        result: { scan_id, outcome: 'classified' },
      });
  });

  it.each([...UNREWARDED_CATEGORIES, 'a-category-of-tomorrow'])('completes the scan without a reward for %s', (category) => {
    const result = { category, confidence: 0.99, reward_eligible: false, reward_status: 'none', status: 'completed' };
    given(scanAggregate, scan_id)
      .when(classifyRegisteredImage, event, classified(category, 0.99))
      .then({ events: [completed(category, 0.99, false)], tables: { scan_records: [{ ...row, ...result }] } });
  });

  it('earns nothing when the classifier is guessing', () => {
    given(scanAggregate, scan_id)
      .when(classifyRegisteredImage, event, classified('battery', 0.5))
      .then({ events: [completed('battery', 0.5, true)] });
    given(scanAggregate, scan_id)
      .when(classifyRegisteredImage, event, classified('battery', 0.499))
      .then({ events: [completed('battery', 0.499, false)] });
  });

  it('fails the scan when the classifier refuses it', () => {
    const result = { reward_eligible: false, reward_status: 'none', failure_reason: 'not_an_image', status: 'failed' };
    given(scanAggregate, scan_id)
      .when(classifyRegisteredImage, event, { kind: 'rejected', reason: 'not_an_image' })
      .then({
        events: [newEvent(scanFailed, { scan_id, user_id: 'u1', reason: 'not_an_image', image_id })],
        tables: { scan_records: [{ ...row, ...result }] },
        result: { scan_id, outcome: 'rejected' },
      });
  });

  it('fails the scan when the attempts are used up, without repeating what the service said', () => {
    const result = classifyRegisteredImage.call?.exhausted?.(new ClassifiedError('CALL_FAILED', 'the classifier answered 500'));
    given(scanAggregate, scan_id)
      .when(classifyRegisteredImage, event, result)
      .then({ events: [newEvent(scanFailed, { scan_id, user_id: 'u1', reason: 'classification_failed', image_id })] });
  });

  it('changes nothing when the scan is decided already', () => {
    for (const past of [
      completed('paper', 0.9, true),
      newEvent(scanFailed, { scan_id, user_id: 'u1', reason: 'not_an_image', image_id }),
    ]) {
      given(scanAggregate, scan_id, [past]).when(classifyRegisteredImage, event, classified('battery', 0.9)).then({ events: [] });
    }
  });

  it('is not decided without a classification', () => {
    expect(() => given(scanAggregate, scan_id).when(classifyRegisteredImage, event)).toThrow(
      expect.objectContaining({ code: 'DECISION_FAILED' }),
    );
  });

  it('leads to the same scan however often it arrives', () => {
    expect(scanIdOf('5f0a6a6e-5a57-4a9a-8f39-1b2ad3c3b001')).toBe('9478829b-522a-57ee-8c1d-ba450180fcbd');
    expect(scanIdOf('5f0a6a6e-5a57-4a9a-8f39-1b2ad3c3b002')).not.toBe(scan_id);
  });
});
