import { describe, expect, it } from 'vitest';
import { characterAcquireFailed, characterAcquired, scanCompleted, scanRequested, scanRewardCompensated } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { arrived } from '../../test/support/arrived.ts';
import { OCCURRED_AT, given } from '../../test/support/given.ts';
import { scanAggregate } from './aggregate.ts';
import { compensateReward } from './compensate-reward.ts';
import { markRewardGranted } from './mark-reward-granted.ts';

const scan_id = 'b6a1f7f6-6d43-5c39-9c16-0f2d1c7a0001';
const requested = newEvent(scanRequested, { scan_id, user_id: 'u1', image_url: 'https://cdn.example/1.jpg' });
const completed = newEvent(scanCompleted, {
  scan_id,
  user_id: 'u1',
  category: 'paper',
  reward_eligible: true,
  confidence: 0.9,
  version: '2.0',
});
const asked = { image_id: null, image_url: 'https://cdn.example/1.jpg', user_input: null, requested_at: OCCURRED_AT };
const row = {
  scan_id,
  user_id: 'u1',
  category: 'paper',
  confidence: 0.9,
  reward_eligible: true,
  status: 'completed',
  completed_at: OCCURRED_AT,
};

describe('CharacterAcquired', () => {
  const acquired = (source: 'scan' | 'event' | 'purchase', source_id: string | null) =>
    arrived(characterAcquired, { user_id: 'u1', character_id: 'c1', character_name: 'Papy', source, source_id });

  it('marks the reward of its scan as granted, and says so in no event', () => {
    given(scanAggregate, scan_id, [requested, completed])
      .when(markRewardGranted, acquired('scan', scan_id))
      .then({ tables: { scan_records: [{ ...asked, ...row, reward_status: 'granted' }] }, result: { scan_id, outcome: 'granted' } });
    expect(markRewardGranted.idempotencyKey(acquired('scan', scan_id))).toBe(`scan:reward:${scan_id}`);
  });

  it('makes no row for a scan that is not there', () => {
    given(scanAggregate, scan_id)
      .when(markRewardGranted, acquired('scan', scan_id))
      .then({ tables: { scan_records: [] } });
  });

  it.each(['event', 'purchase'] as const)('from a %s leaves the scans alone, even when its source has the id of one', (source) => {
    const event = acquired(source, scan_id);
    given(scanAggregate, scan_id, [completed])
      .when(markRewardGranted, event)
      .then({ tables: { scan_records: [{ ...row, reward_status: 'pending' }] } });
    expect(markRewardGranted.idempotencyKey(event)).toBe(`scan:reward:${event.id}`);
  });

  it('from a scan that it does not name changes nothing', () => {
    const event = acquired('scan', null);
    expect(markRewardGranted.decide({ state: scanAggregate.initial(event.id), event, result: undefined, rows: [] })).toEqual({
      events: [],
    });
  });
});

describe('CharacterAcquireFailed', () => {
  const failed = arrived(characterAcquireFailed, { user_id: 'u1', scan_id, reason: 'max_characters_reached' });
  const compensated = newEvent(scanRewardCompensated, { scan_id, user_id: 'u1', reason: 'max_characters_reached' });

  it('takes the pending reward back and says why', () => {
    const after = { ...row, reward_status: 'failed', failure_reason: 'max_characters_reached' };
    given(scanAggregate, scan_id, [completed])
      .when(compensateReward, failed)
      .then({ events: [compensated], tables: { scan_records: [after] }, result: { scan_id, outcome: 'compensated' } });
    expect(compensateReward.idempotencyKey(failed)).toBe(`scan:compensate:${scan_id}`);
  });

  it('does not wait behind an image of the same user that is tried for minutes', () => {
    expect(compensateReward.overtakes).toBe(true);
  });

  it('compensates once', () => {
    given(scanAggregate, scan_id, [completed, compensated])
      .when(compensateReward, failed)
      .then({ result: { outcome: 'nothing_pending' } });
  });

  it('changes nothing for a scan without a reward, and for one that is not there', () => {
    const unrewarded = newEvent(scanCompleted, { scan_id, user_id: 'u1', category: 'unknown' });
    given(scanAggregate, scan_id, [unrewarded])
      .when(compensateReward, failed)
      .then({ result: { outcome: 'nothing_pending' } });
    given(scanAggregate, scan_id)
      .when(compensateReward, failed)
      .then({ result: { outcome: 'nothing_pending' } });
  });
});

describe('a stored ScanCompleted of version 1', () => {
  it('is folded without the fields that came later', () => {
    const first = newEvent(scanCompleted, { scan_id, user_id: 'u1', category: 'paper' });
    const event = arrived(characterAcquireFailed, { user_id: 'u1', scan_id, reason: 'already_owned' });
    const expected = { ...row, confidence: null, reward_eligible: false, reward_status: 'none' };
    given(scanAggregate, scan_id, [first])
      .when(compensateReward, event)
      .then({ tables: { scan_records: [expected] } });
  });
});
