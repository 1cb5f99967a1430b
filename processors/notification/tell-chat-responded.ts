import { defineReaction } from '../../core/define.ts';
import { chatResponded } from '../../schemas/catalogue.ts';
import { NOTIFY_TIMEOUT_MS, delivered, deliveryAggregate, deliveryId, deliveryKey } from './delivery.ts';

const KIND = 'chat_responded';

/** Says that an answer is there, and not what it says: a push is read over shoulders. */
export const tellChatResponded = defineReaction({
  on: chatResponded,
  aggregate: deliveryAggregate,
  aggregateId: deliveryId,
  idempotencyKey: deliveryKey,
  call: {
    name: 'notify',
    timeoutMs: NOTIFY_TIMEOUT_MS,
    request: ({ payload }) => ({
      userId: payload.user_id,
      kind: KIND,
      title: 'Your message was answered',
      data: { session_id: payload.session_id, message_id: payload.message_id },
    }),
  },
  decide: ({ event, result }) => delivered(event, KIND, result),
});
