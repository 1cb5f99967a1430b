import { NOTHING, defineReaction } from '../../core/define.ts';
import type { ProfileUpdated } from '../../schemas/generated/events.ts';
import { profileUpdated } from '../../schemas/catalogue.ts';
import { NOTIFY_TIMEOUT_MS, delivered, deliveryAggregate, deliveryId, deliveryKey } from './delivery.ts';

const KIND = 'profile_updated';

/** A new character is news; that one is gone is known to the user who gave it up. */
export const tellProfileUpdated = defineReaction({
  on: profileUpdated,
  aggregate: deliveryAggregate,
  aggregateId: deliveryId,
  idempotencyKey: deliveryKey,
  call: {
    name: 'notify',
    timeoutMs: NOTIFY_TIMEOUT_MS,
    request: ({ payload }) =>
      isNews(payload)
        ? {
            userId: payload.user_id,
            kind: KIND,
            title: `You have a new character: ${payload.last_character_name ?? 'a surprise'}`,
            data: { total_characters: payload.total_characters, character_id: payload.last_character_id ?? null },
          }
        : undefined,
  },
  decide: ({ event, result }) => (isNews(event.payload) ? delivered(event, KIND, result) : { ...NOTHING, result: { status: 'not_news' } }),
});

/** Version 1 has no cause, and counted acquired characters only. */
function isNews({ cause = null }: ProfileUpdated): boolean {
  return cause === null || cause === 'character_acquired';
}
