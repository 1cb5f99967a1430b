import { defineSaga, happened, madeUpFor, reactedTo } from '../../core/saga.ts';
import { chatResponded, messagePosted } from '../../schemas/catalogue.ts';
import { answerMessage } from '../chat/answer-message.ts';
import { OVERDUE, SAGA_DEADLINE_MS } from './deadline.ts';

/** From a message to its answer. One of a conversation that is over needs none, which its step says. */
export const chatAnswer = defineSaga({
  name: 'chat-answer',
  begins: [messagePosted],
  ends: {
    answered: [happened(chatResponded)],
    needs_no_answer: [reactedTo('chat', messagePosted)],
  },
  deadlineMs: SAGA_DEADLINE_MS,
  overdue: [madeUpFor(answerMessage, { kind: 'rejected', reason: OVERDUE })],
});
