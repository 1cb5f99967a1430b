import { defineCommand } from '../../core/define.ts';
import { messagePosted } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { ConversationEvent, ConversationState } from './aggregate.ts';
import { conversationAggregate } from './aggregate.ts';
import { CONVERSATION_NOT_FOUND } from './conversation-not-found.ts';

/** Answers are slow and cost something: a user who does not wait for them waits here. */
export const MAX_UNANSWERED = 5;
export const MAX_MESSAGES = 1_000;

export interface PostMessage {
  readonly session_id: string;
  readonly message_id: string;
  readonly user_id: string;
  /** At least one of the two is set. */
  readonly text: string | null;
  readonly image_url: string | null;
}

export const postMessage = defineCommand<PostMessage, ConversationState, ConversationEvent>({
  name: 'PostMessage',
  domain: 'chat',
  aggregate: conversationAggregate,
  aggregateId: (command) => command.session_id,
  decide(state, { session_id, message_id, user_id, text, image_url }) {
    if (state.userId !== user_id) return CONVERSATION_NOT_FOUND;
    if (state.status === 'ended') return { rejected: 'conversation_ended', detail: 'The conversation is over; begin another one.' };
    if (state.messages >= MAX_MESSAGES) {
      return { rejected: 'conversation_full', detail: `A conversation holds at most ${MAX_MESSAGES} messages; begin another one.` };
    }
    if (state.unanswered.length >= MAX_UNANSWERED) {
      return { rejected: 'too_many_unanswered', detail: `${MAX_UNANSWERED} messages are not answered yet; wait for an answer.` };
    }
    const kind = image_url === null ? 'text' : 'image';
    return { events: [newEvent(messagePosted, { session_id, message_id, user_id, kind, text, image_url })] };
  },
});
