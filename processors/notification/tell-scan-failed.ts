import { defineReaction } from '../../core/define.ts';
import { scanFailed } from '../../schemas/catalogue.ts';
import { NOTIFY_TIMEOUT_MS, delivered, deliveryAggregate, deliveryId, deliveryKey } from './delivery.ts';

const KIND = 'scan_failed';

export const tellScanFailed = defineReaction({
  on: scanFailed,
  aggregate: deliveryAggregate,
  aggregateId: deliveryId,
  idempotencyKey: deliveryKey,
  call: {
    name: 'notify',
    timeoutMs: NOTIFY_TIMEOUT_MS,
    request: ({ payload }) => ({
      userId: payload.user_id,
      kind: KIND,
      title: 'Your image could not be classified; please try another one',
      data: { scan_id: payload.scan_id, reason: payload.reason },
    }),
  },
  decide: ({ event, result }) => delivered(event, KIND, result),
});
