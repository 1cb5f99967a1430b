import type { ChatAnswer } from '../../core/calls.ts';
import type { NewEvent } from '../../core/define.ts';
import { NOTHING, defineReaction } from '../../core/define.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { chatResponded, messagePosted } from '../../schemas/catalogue.ts';
import type { MessagePosted } from '../../schemas/generated/events.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { conversationAggregate } from './aggregate.ts';
import { answerIdOf } from './answer-id.ts';

/** Answers take as long as they take to write. */
const ANSWER_TIMEOUT_MS = 15_000;

/** What the user reads instead of an answer. */
export const NO_ANSWER = 'This could not be answered. Please try it in other words, or with another picture.';

/** Every message of an open conversation gets one answer, or is told that there is none. */
export const answerMessage = defineReaction({
  on: messagePosted,
  aggregate: conversationAggregate,
  aggregateId: (event) => event.payload.session_id,
  idempotencyKey: (event) => `chat:answer:${event.payload.message_id}`,
  call: {
    name: 'answer',
    timeoutMs: ANSWER_TIMEOUT_MS,
    request: ({ payload }) => ({
      sessionId: payload.session_id,
      messageId: payload.message_id,
      userId: payload.user_id,
      text: payload.text ?? undefined,
      imageUrl: payload.image_url ?? undefined,
    }),
    exhausted: () => ({ kind: 'rejected', reason: 'answer_failed' }),
  },
  decide({ state, event: { payload }, result }) {
    if (state.status === 'ended') return { ...NOTHING, result: { outcome: 'conversation_ended' } };
    if (!state.unanswered.includes(payload.message_id)) return NOTHING;
    if (result === undefined) throw new ClassifiedError('DECISION_FAILED', 'a message cannot be answered before the assistant was asked');
    return { events: [response(payload, result)], result: { outcome: result.kind } };
  },
});

function response({ session_id, message_id, user_id }: MessagePosted, answer: ChatAnswer): NewEvent {
  const ids = { session_id, message_id: answerIdOf(message_id), user_id, reply_to: message_id };
  return answer.kind === 'answered'
    ? newEvent(chatResponded, { ...ids, text: answer.text, failure_reason: null })
    : newEvent(chatResponded, { ...ids, text: NO_ANSWER, failure_reason: answer.reason });
}
