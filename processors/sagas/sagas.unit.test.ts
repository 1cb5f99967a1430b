import { describe, it } from 'vitest';
import {
  characterAcquireFailed,
  characterAcquired,
  characterLost,
  chatResponded,
  conversationStarted,
  conversationEnded,
  imageRegistered,
  messagePosted,
  profileUpdated,
  scanCompleted,
  scanFailed,
  scanRequested,
  scanRewardCompensated,
} from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { arrived } from '../../test/support/arrived.ts';
import { given } from '../../test/support/given.ts';
import type { OverdueStep, Reaction, SagaDefinition } from '../../core/define.ts';
import { userCharactersAggregate } from '../character/aggregate.ts';
import { grantScanReward } from '../character/grant-scan-reward.ts';
import { conversationAggregate } from '../chat/aggregate.ts';
import { answerIdOf } from '../chat/answer-id.ts';
import { NO_ANSWER, answerMessage } from '../chat/answer-message.ts';
import { profileAggregate } from '../my/aggregate.ts';
import { countAcquiredCharacter } from '../my/count-acquired-character.ts';
import { countLostCharacter } from '../my/count-lost-character.ts';
import { scanAggregate } from '../scan/aggregate.ts';
import { classifyRegisteredImage } from '../scan/classify-registered-image.ts';
import { classifyRequestedScan } from '../scan/classify-requested-scan.ts';
import { compensateReward } from '../scan/compensate-reward.ts';
import { markRewardGranted } from '../scan/mark-reward-granted.ts';
import { scanIdOf } from '../scan/scan-id.ts';
import { characterLoss } from './character-loss.ts';
import { chatAnswer } from './chat-answer.ts';
import { scanToReward } from './scan-to-reward.ts';

const user_id = 'u1';
const image_id = '5f0a6a6e-5a57-4a9a-8f39-000000000001';
const scan_id = scanIdOf(image_id);
const cdn_url = 'https://cdn.example/1.jpg';
const completed = { scan_id, user_id, category: 'pet-bottle', reward_eligible: true, confidence: 0.9, version: '2.0', image_id };
const character = { character_id: 'c1', character_name: 'Pet' };

function inPlaceOf(saga: SagaDefinition, reaction: Reaction): OverdueStep {
  const found = saga.overdue.find((step) => step.reaction === reaction);
  if (found === undefined) throw new RangeError('the saga declares nothing for this step');
  return found;
}

describe('an overdue flow from scan to reward', () => {
  const registered = arrived(imageRegistered, { image_id, user_id, cdn_url });
  const requested = { scan_id, user_id, image_url: cdn_url, user_input: null };

  it('fails the scan of a registered image that nobody classified, so that the user is told', () => {
    given(scanAggregate, scan_id)
      .when(inPlaceOf(scanToReward, classifyRegisteredImage), registered)
      .then({
        events: [newEvent(scanFailed, { scan_id, user_id, reason: 'overdue', image_id })],
        result: { scan_id, outcome: 'rejected' },
      });
  });

  it('leaves a scan alone that was classified after all', () => {
    given(scanAggregate, scan_id, [newEvent(scanCompleted, completed)])
      .when(inPlaceOf(scanToReward, classifyRegisteredImage), registered)
      .then({});
  });

  it('fails a requested scan, and its task', () => {
    given(scanAggregate, scan_id, [newEvent(scanRequested, requested)])
      .when(inPlaceOf(scanToReward, classifyRequestedScan), arrived(scanRequested, requested))
      .then({ events: [newEvent(scanFailed, { scan_id, user_id, reason: 'overdue', image_id: null })] });
  });

  it('refuses the reward where it would have been granted, so that the scan gives up its claim', () => {
    given(userCharactersAggregate, user_id)
      .when(inPlaceOf(scanToReward, grantScanReward), arrived(scanCompleted, completed))
      .then({ events: [newEvent(characterAcquireFailed, { user_id, scan_id, reason: 'overdue' })], result: { outcome: 'overdue' } });
    given(scanAggregate, scan_id, [newEvent(scanCompleted, completed)])
      .when(compensateReward, arrived(characterAcquireFailed, { user_id, scan_id, reason: 'overdue' }))
      .then({ events: [newEvent(scanRewardCompensated, { scan_id, user_id, reason: 'overdue' })] });
  });

  it('refuses nothing that was not eligible', () => {
    given(userCharactersAggregate, user_id)
      .when(inPlaceOf(scanToReward, grantScanReward), arrived(scanCompleted, { ...completed, reward_eligible: false }))
      .then({ result: { outcome: 'not_eligible' } });
  });

  it('makes the compensation, the mark and the count after all', () => {
    const acquired = arrived(characterAcquired, { user_id, ...character, source: 'scan', source_id: scan_id });
    given(scanAggregate, scan_id, [newEvent(scanCompleted, completed)])
      .when(inPlaceOf(scanToReward, compensateReward), arrived(characterAcquireFailed, { user_id, scan_id, reason: 'already_owned' }))
      .then({ events: [newEvent(scanRewardCompensated, { scan_id, user_id, reason: 'already_owned' })] });
    given(scanAggregate, scan_id, [newEvent(scanCompleted, completed)])
      .when(inPlaceOf(scanToReward, markRewardGranted), acquired)
      .then({ result: { scan_id, outcome: 'granted' } });
    const last = { last_character_id: character.character_id, last_character_name: character.character_name };
    const counts = { characters_acquired: 1, characters_lost: 0, cause: 'character_acquired' as const };
    given(profileAggregate, user_id)
      .when(inPlaceOf(scanToReward, countAcquiredCharacter), acquired)
      .then({ events: [newEvent(profileUpdated, { user_id, total_characters: 1, ...last, ...counts })] });
  });
});

describe('an overdue answer', () => {
  const session_id = 's1';
  const message = { session_id, message_id: 'm1', user_id, kind: 'text', text: 'hi', image_url: null } as const;
  const past = [newEvent(conversationStarted, { session_id, user_id }), newEvent(messagePosted, message)];
  const step = inPlaceOf(chatAnswer, answerMessage);

  it('is an answer that says there is none', () => {
    const ids = { session_id, message_id: answerIdOf('m1'), user_id, reply_to: 'm1' };
    given(conversationAggregate, session_id, past)
      .when(step, arrived(messagePosted, message))
      .then({ events: [newEvent(chatResponded, { ...ids, text: NO_ANSWER, failure_reason: 'overdue' })] });
  });

  it('is none for a conversation that is over', () => {
    given(conversationAggregate, session_id, [...past, newEvent(conversationEnded, { session_id, reason: 'ended_by_user' })])
      .when(step, arrived(messagePosted, message))
      .then({ result: { outcome: 'conversation_ended' } });
  });
});

describe('an overdue loss', () => {
  it('is counted after all', () => {
    given(profileAggregate, user_id)
      .when(inPlaceOf(characterLoss, countLostCharacter), arrived(characterLost, { user_id, character_id: 'c1', reason: 'deleted' }))
      .then({
        events: [
          newEvent(profileUpdated, {
            user_id,
            total_characters: 0,
            last_character_id: null,
            last_character_name: null,
            characters_acquired: 0,
            characters_lost: 1,
            cause: 'character_lost',
          }),
        ],
      });
  });
});
