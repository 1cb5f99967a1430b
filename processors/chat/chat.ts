import { defineDomain, defineProcessor } from '../../core/define.ts';
import { chatResponded, conversationEnded, conversationStarted, messagePosted } from '../../schemas/catalogue.ts';
import { conversationAggregate } from './aggregate.ts';
import { answerMessage } from './answer-message.ts';

export const chat = defineDomain({
  name: 'chat',
  events: [conversationStarted, messagePosted, chatResponded, conversationEnded],
  aggregates: [conversationAggregate],
  processor: defineProcessor({ domain: 'chat', reactions: [answerMessage] }),
  captured: true,
  tables: [
    { table: 'conversations', topic: 'conversations', keyField: 'session_id' },
    { table: 'messages', topic: 'messages', keyField: 'session_id' },
  ],
});
