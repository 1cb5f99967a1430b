import { defineReaction } from '../../core/define.ts';
import { scanRewardCompensated } from '../../schemas/catalogue.ts';
import { NOTIFY_TIMEOUT_MS, delivered, deliveryAggregate, deliveryId, deliveryKey } from './delivery.ts';

const KIND = 'reward_failed';

export const tellRewardFailed = defineReaction({
  on: scanRewardCompensated,
  aggregate: deliveryAggregate,
  aggregateId: deliveryId,
  idempotencyKey: deliveryKey,
  call: {
    name: 'notify',
    timeoutMs: NOTIFY_TIMEOUT_MS,
    request: ({ payload }) => ({
      userId: payload.user_id,
      kind: KIND,
      title: 'Your scan counts, but its reward could not be granted',
      data: { scan_id: payload.scan_id, reason: payload.reason },
    }),
  },
  decide: ({ event, result }) => delivered(event, KIND, result),
});
