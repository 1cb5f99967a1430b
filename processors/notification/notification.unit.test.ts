import { describe, expect, it } from 'vitest';
import { chatResponded, profileUpdated, scanFailed, scanRewardCompensated } from '../../schemas/catalogue.ts';
import { arrived } from '../../test/support/arrived.ts';
import { given } from '../../test/support/given.ts';
import { deliveryAggregate } from './delivery.ts';
import { tellChatResponded } from './tell-chat-responded.ts';
import { tellProfileUpdated } from './tell-profile-updated.ts';
import { tellRewardFailed } from './tell-reward-failed.ts';
import { tellScanFailed } from './tell-scan-failed.ts';

const profile = { user_id: 'u1', total_characters: 3, last_character_id: 'c2', last_character_name: 'Boxro' };
const cases = [
  {
    reaction: tellProfileUpdated,
    event: arrived(profileUpdated, profile),
    kind: 'profile_updated',
    title: 'You have a new character: Boxro',
    data: { total_characters: 3, character_id: 'c2' },
  },
  {
    reaction: tellRewardFailed,
    event: arrived(scanRewardCompensated, { user_id: 'u1', scan_id: 's1', reason: 'already_owned' }),
    kind: 'reward_failed',
    title: 'Your scan counts, but its reward could not be granted',
    data: { scan_id: 's1', reason: 'already_owned' },
  },
  {
    reaction: tellScanFailed,
    event: arrived(scanFailed, { user_id: 'u1', scan_id: 's1', reason: 'not_an_image' }),
    kind: 'scan_failed',
    title: 'Your image could not be classified; please try another one',
    data: { scan_id: 's1', reason: 'not_an_image' },
  },
  {
    reaction: tellChatResponded,
    event: arrived(chatResponded, { session_id: 'c1', message_id: 'm2', user_id: 'u1', reply_to: 'm1', text: 'Rinse it.' }),
    kind: 'chat_responded',
    title: 'Your message was answered',
    data: { session_id: 'c1', message_id: 'm2' },
  },
];

describe.each(cases)('$kind', ({ reaction, event, kind, title, data }) => {
  const row = { delivery_id: event.id, user_id: 'u1', kind, event_id: event.id };

  it('is told to the user of the event, once per event', () => {
    expect(reaction.call?.request(event)).toEqual({ userId: 'u1', kind, title, data });
    expect(reaction.idempotencyKey(event)).toBe(`notify:${event.id}`);
  });

  it('is recorded as sent', () => {
    given(deliveryAggregate, event.id)
      .when(reaction, event, { kind: 'sent' })
      .then({ tables: { deliveries: [{ ...row, status: 'sent', reason: null }] }, result: { status: 'sent' } });
  });

  it('is recorded as rejected when the channel refuses it', () => {
    given(deliveryAggregate, event.id)
      .when(reaction, event, { kind: 'rejected', reason: 'no_device' })
      .then({
        tables: { deliveries: [{ ...row, status: 'rejected', reason: 'no_device' }] },
        result: { status: 'rejected' },
      });
  });

  it('is not recorded before it was tried', () => {
    expect(() => given(deliveryAggregate, event.id).when(reaction, event)).toThrow(expect.objectContaining({ code: 'DECISION_FAILED' }));
  });

  it('goes to the dead letters, where it can be replayed, when the attempts are used up', () => {
    expect(reaction.call).not.toHaveProperty('exhausted');
  });
});

describe('profile_updated', () => {
  it('can be told without a name', () => {
    const request = tellProfileUpdated.call?.request(arrived(profileUpdated, { user_id: 'u1', total_characters: 0 }));
    expect(request).toMatchObject({ title: 'You have a new character: a surprise', data: { character_id: null } });
  });

  it('is told when it says that a character was acquired', () => {
    const acquired = arrived(profileUpdated, { ...profile, characters_acquired: 3, characters_lost: 0, cause: 'character_acquired' });
    expect(tellProfileUpdated.call?.request(acquired)).toMatchObject({ title: 'You have a new character: Boxro' });
    given(deliveryAggregate, acquired.id)
      .when(tellProfileUpdated, acquired, { kind: 'sent' })
      .then({ result: { status: 'sent' } });
  });

  it('is not told, and only noted, when a character was lost', () => {
    const lost = arrived(profileUpdated, { ...profile, characters_acquired: 4, characters_lost: 1, cause: 'character_lost' });
    expect(tellProfileUpdated.call?.request(lost)).toBeUndefined();
    given(deliveryAggregate, lost.id)
      .when(tellProfileUpdated, lost)
      .then({ tables: { deliveries: [] }, result: { status: 'not_news' } });
  });
});
