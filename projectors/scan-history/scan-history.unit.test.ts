import { describe, expect, it } from 'vitest';
import type { EventRecord } from '../../core/envelope.ts';
import type { JsonObject } from '../../core/json.ts';
import { HistoryBuilder } from '../../test/support/user-history.ts';
import { foldHistory } from '../elasticsearch/fold-document.ts';
import { scanHistory } from './scan-history.ts';

const ids = { scan_id: 'scan-1', user_id: 'user-1' };

function fold(events: readonly EventRecord[]): JsonObject | undefined {
  return events.reduce<JsonObject | undefined>((document, event) => scanHistory.fold(document, event, 'scan-1'), undefined);
}

function scanThat(does: (user: HistoryBuilder) => void): readonly EventRecord[] {
  const user = new HistoryBuilder('user-1');
  user.add('ScanRequested', { ...ids, image_id: 'image-1' });
  does(user);
  return user.events;
}

describe('the scan history', () => {
  it('keeps a requested scan before anything is known of it', () => {
    const [requested] = scanThat(() => undefined);
    expect(fold([requested!])).toEqual({
      ...ids,
      image_id: 'image-1',
      category: null,
      confidence: null,
      reward_eligible: false,
      status: 'requested',
      failure_reason: null,
      reward_status: null,
      reward_failure_reason: null,
      character_id: null,
      requested_at: requested?.occurredAt,
      completed_at: null,
      trace_id: requested?.traceId,
    });
  });

  it.each([
    [true, 'pending'],
    [false, 'none'],
  ])('of a completed scan says what its reward is: eligible %s, %s', (eligible, status) => {
    const events = scanThat((user) =>
      user.add('ScanCompleted', { ...ids, category: 'glass', reward_eligible: eligible, confidence: 0.75 }),
    );
    expect(fold(events)).toMatchObject({
      status: 'completed',
      category: 'glass',
      confidence: 0.75,
      reward_eligible: eligible,
      reward_status: status,
      completed_at: events[1]?.occurredAt,
    });
  });

  it('reads a completion of the first schema version, without confidence', () => {
    const events = scanThat((user) => user.add('ScanCompleted', { ...ids, category: 'glass' }));
    expect(fold(events)).toMatchObject({ confidence: null, reward_eligible: false, reward_status: 'none' });
  });

  it('says why a scan failed', () => {
    const events = scanThat((user) => user.add('ScanFailed', { ...ids, reason: 'not_an_image' }));
    expect(fold(events)).toMatchObject({ status: 'failed', failure_reason: 'not_an_image', reward_status: 'none' });
  });

  it('has a granted reward, a failed one, and one that was granted after it had failed, in any order', () => {
    const events = scanThat((user) => {
      user.add('ScanCompleted', { ...ids, category: 'glass', reward_eligible: true });
      user.add('ScanRewardCompensated', { ...ids, reason: 'max_characters_reached' });
      user.add('CharacterAcquired', { user_id: 'user-1', character_id: 'c', character_name: 'C', source: 'scan', source_id: 'scan-1' });
    });
    const [requested, completed, compensated, acquired] = events as [EventRecord, EventRecord, EventRecord, EventRecord];
    expect(fold([requested, completed, acquired])).toMatchObject({ reward_status: 'granted', character_id: 'c' });
    expect(fold([requested, completed, compensated])).toMatchObject({
      reward_status: 'failed',
      reward_failure_reason: 'max_characters_reached',
    });
    const both = fold([requested, completed, compensated, acquired]);
    expect(both).toMatchObject({ reward_status: 'granted', reward_failure_reason: null });
    expect(fold([requested, acquired, completed, compensated])).toEqual(both);
  });

  it('is not touched by characters that no scan granted', () => {
    const user = new HistoryBuilder('user-1');
    const of = (source: 'scan' | 'event', source_id: string | null) =>
      user.add('CharacterAcquired', { user_id: 'user-1', character_id: 'c', character_name: 'C', source, source_id });
    expect([of('event', 'scan-1'), of('scan', null), of('scan', 'scan-1')].map((event) => scanHistory.documentIds(event))).toEqual([
      [],
      [],
      ['scan-1'],
    ]);
  });

  it('is folded from both domains, leaving out other scans of the user', () => {
    const events = scanThat((user) => {
      user.add('CharacterAcquired', { user_id: 'user-1', character_id: 'x', character_name: 'X', source: 'scan', source_id: 'scan-2' });
      user.add('ScanCompleted', { ...ids, category: 'glass', reward_eligible: true });
    });
    expect(foldHistory(scanHistory, 'scan-1', events)).toMatchObject({
      document: { status: 'completed', character_id: null },
      versions: { scan: '2' },
    });
    expect(scanHistory.history(events[2]!, 'scan-1')?.map(({ domain, aggregateId }) => [domain, aggregateId])).toEqual([
      ['scan', 'scan-1'],
      ['character', 'user-1'],
    ]);
    expect(scanHistory.history(events[0]!, 'scan-1')).toBeUndefined();
  });
});
