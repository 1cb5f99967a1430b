import type { EventDefinition } from '../core/define.ts';
import { defineEvent } from '../core/define.ts';
import type { EventPayloads, EventType } from './generated/events.ts';

/** Every event of the product: who owns it, its record key and its topic. One line here and one `.avsc` make an event. */
export const imageRegistered = event({ type: 'ImageRegistered', domain: 'image', keyField: 'user_id' });
export const imageProcessed = event({ type: 'ImageProcessed', domain: 'image', keyField: 'user_id' });
export const imageDeleted = event({ type: 'ImageDeleted', domain: 'image', keyField: 'user_id' });

export const scanRequested = event({ type: 'ScanRequested', domain: 'scan', keyField: 'user_id', partitions: 6 });
export const scanCompleted = event({ type: 'ScanCompleted', domain: 'scan', keyField: 'user_id', partitions: 6 });
export const scanFailed = event({ type: 'ScanFailed', domain: 'scan', keyField: 'user_id' });
export const scanRewardCompensated = event({ type: 'ScanRewardCompensated', domain: 'scan', keyField: 'user_id' });

export const characterAcquired = event({ type: 'CharacterAcquired', domain: 'character', keyField: 'user_id' });
export const characterAcquireFailed = event({ type: 'CharacterAcquireFailed', domain: 'character', keyField: 'user_id' });
export const characterLost = event({ type: 'CharacterLost', domain: 'character', keyField: 'user_id' });
export const characterEvolved = event({ type: 'CharacterEvolved', domain: 'character', keyField: 'user_id' });

export const profileUpdated = event({ type: 'ProfileUpdated', domain: 'my', keyField: 'user_id' });
export const preferencesChanged = event({ type: 'PreferencesChanged', domain: 'my', keyField: 'user_id' });

export const userRegistered = event({ type: 'UserRegistered', domain: 'auth', keyField: 'user_id' });
export const userLoggedIn = event({ type: 'UserLoggedIn', domain: 'auth', keyField: 'user_id' });
export const userLoggedOut = event({ type: 'UserLoggedOut', domain: 'auth', keyField: 'user_id' });
export const permissionChanged = event({ type: 'PermissionChanged', domain: 'auth', keyField: 'user_id' });

export const conversationStarted = event({ type: 'ConversationStarted', domain: 'chat', keyField: 'session_id' });
export const messagePosted = event({ type: 'MessagePosted', domain: 'chat', keyField: 'session_id' });
export const chatResponded = event({ type: 'ChatResponded', domain: 'chat', keyField: 'session_id' });
export const conversationEnded = event({ type: 'ConversationEnded', domain: 'chat', keyField: 'session_id' });

/** By event type. */
export const CATALOGUE: ReadonlyMap<string, EventDefinition> = new Map(
  [
    ...[imageRegistered, imageProcessed, imageDeleted],
    ...[scanRequested, scanCompleted, scanFailed, scanRewardCompensated],
    ...[characterAcquired, characterAcquireFailed, characterLost, characterEvolved],
    ...[profileUpdated, preferencesChanged],
    ...[userRegistered, userLoggedIn, userLoggedOut, permissionChanged],
    ...[conversationStarted, messagePosted, chatResponded, conversationEnded],
  ].map((definition) => [definition.type, definition]),
);

function event<const T extends EventType>(definition: {
  readonly type: T;
  readonly domain: string;
  readonly keyField: keyof EventPayloads[T] & string;
  readonly partitions?: number;
}): EventDefinition<T, EventPayloads[T]> {
  return defineEvent<T, EventPayloads[T]>(definition);
}
