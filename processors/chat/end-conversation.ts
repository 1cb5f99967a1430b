import { defineCommand } from '../../core/define.ts';
import { conversationEnded } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { ConversationEvent, ConversationState } from './aggregate.ts';
import { conversationAggregate } from './aggregate.ts';
import { CONVERSATION_NOT_FOUND } from './conversation-not-found.ts';

export interface EndConversation {
  readonly session_id: string;
  readonly user_id: string;
  /** A short code. */
  readonly reason: string;
}

/** What was asked and is not answered yet stays without an answer; ending it again changes nothing. */
export const endConversation = defineCommand<EndConversation, ConversationState, ConversationEvent>({
  name: 'EndConversation',
  domain: 'chat',
  aggregate: conversationAggregate,
  aggregateId: (command) => command.session_id,
  decide(state, { session_id, user_id, reason }) {
    if (state.userId !== user_id) return CONVERSATION_NOT_FOUND;
    if (state.status === 'ended') return { events: [] };
    return { events: [newEvent(conversationEnded, { session_id, reason })] };
  },
});
