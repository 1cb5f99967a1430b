import { defineCommand } from '../../core/define.ts';
import { conversationStarted } from '../../schemas/catalogue.ts';
import type { ConversationStarted } from '../../schemas/generated/events.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { ConversationEvent, ConversationState } from './aggregate.ts';
import { conversationAggregate } from './aggregate.ts';

export type StartConversation = ConversationStarted;

export const startConversation = defineCommand<StartConversation, ConversationState, ConversationEvent>({
  name: 'StartConversation',
  domain: 'chat',
  aggregate: conversationAggregate,
  aggregateId: (command) => command.session_id,
  decide(state, { session_id, user_id }) {
    if (state.status !== 'none')
      return { rejected: 'conversation_already_started', detail: 'A conversation with this id was started already.' };
    return { events: [newEvent(conversationStarted, { session_id, user_id })] };
  },
});
