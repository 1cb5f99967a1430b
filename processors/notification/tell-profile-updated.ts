import { defineReaction } from '../../core/define.ts';
import { profileUpdated } from '../../schemas/catalogue.ts';
import { NOTIFY_TIMEOUT_MS, delivered, deliveryAggregate, deliveryId, deliveryKey } from './delivery.ts';

const KIND = 'profile_updated';

export const tellProfileUpdated = defineReaction({
  on: profileUpdated,
  aggregate: deliveryAggregate,
  aggregateId: deliveryId,
  idempotencyKey: deliveryKey,
  call: {
    name: 'notify',
    timeoutMs: NOTIFY_TIMEOUT_MS,
    request: ({ payload }) => ({
      userId: payload.user_id,
      kind: KIND,
      title: `You have a new character: ${payload.last_character_name ?? 'a surprise'}`,
      data: { total_characters: payload.total_characters, character_id: payload.last_character_id ?? null },
    }),
  },
  decide: ({ event, result }) => delivered(event, KIND, result),
});
