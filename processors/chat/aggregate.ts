import type { AggregateDefinition } from '../../core/define.ts';
import type { StoredEventOf } from '../../schemas/typed-events.ts';
import { unknownStoredEvent } from '../unknown-stored-event.ts';

export type ConversationState = {
  readonly status: 'none' | 'open' | 'ended';
  /** Whose conversation it is; null before it is started. */
  readonly userId: string | null;
  /** How many messages the user has posted. */
  readonly messages: number;
  /** The ids of those that are not answered yet, the oldest first. */
  readonly unanswered: readonly string[];
};
export type ConversationEvent = StoredEventOf<'ConversationStarted' | 'MessagePosted' | 'ChatResponded' | 'ConversationEnded'>;

const CONVERSATIONS = 'conversations';
const MESSAGES = 'messages';

export const conversationAggregate: AggregateDefinition<ConversationState, ConversationEvent> = {
  type: 'conversation',
  initial: () => ({ status: 'none', userId: null, messages: 0, unanswered: [] }),
  evolve(state, event) {
    switch (event.type) {
      case 'ConversationStarted':
        return { ...state, status: 'open', userId: event.payload.user_id };
      case 'MessagePosted':
        return { ...state, messages: state.messages + 1, unanswered: [...state.unanswered, event.payload.message_id] };
      case 'ChatResponded':
        return { ...state, unanswered: state.unanswered.filter((id) => id !== event.payload.reply_to) };
      case 'ConversationEnded':
        return { ...state, status: 'ended', unanswered: [] };
      default:
        return unknownStoredEvent(event);
    }
  },
  tables(event, sessionId) {
    const key = { session_id: sessionId };
    switch (event.type) {
      case 'ConversationStarted': {
        const set = { user_id: event.payload.user_id, status: 'open', started_at: event.occurredAt };
        return [{ op: 'upsert', table: CONVERSATIONS, key, set }];
      }
      case 'MessagePosted': {
        const { message_id, kind, text = null, image_url = null } = event.payload;
        const set = { ...key, author: 'user', kind, text, image_url, created_at: event.occurredAt };
        return [
          { op: 'upsert', table: MESSAGES, key: { message_id }, set },
          { op: 'update', table: CONVERSATIONS, key, set: { last_message_at: event.occurredAt } },
        ];
      }
      case 'ChatResponded': {
        const { message_id, reply_to, text, failure_reason = null } = event.payload;
        const set = { ...key, author: 'assistant', kind: 'text', text, reply_to, failure_reason, created_at: event.occurredAt };
        return [
          { op: 'upsert', table: MESSAGES, key: { message_id }, set },
          { op: 'update', table: CONVERSATIONS, key, set: { last_message_at: event.occurredAt } },
        ];
      }
      case 'ConversationEnded': {
        const set = { status: 'ended', ended_at: event.occurredAt, end_reason: event.payload.reason };
        return [{ op: 'update', table: CONVERSATIONS, key, set }];
      }
      default:
        return unknownStoredEvent(event);
    }
  },
};
