import { NOTHING, defineReaction } from '../../core/define.ts';
import { characterAcquired } from '../../schemas/catalogue.ts';
import { SCAN_RECORDS, scanAggregate } from './aggregate.ts';

/** The reward arrived: the scan's row says so. Characters from events and purchases are not this domain's business. */
export const markRewardGranted = defineReaction({
  on: characterAcquired,
  aggregate: scanAggregate,
  aggregateId: (event) => event.payload.source_id ?? event.id,
  idempotencyKey: ({ id, payload }) => `scan:reward:${payload.source === 'scan' ? (payload.source_id ?? id) : id}`,
  decide({ event: { payload } }) {
    if (payload.source !== 'scan' || typeof payload.source_id !== 'string') return NOTHING;
    const key = { scan_id: payload.source_id };
    return {
      events: [],
      changes: [{ op: 'update', table: SCAN_RECORDS, key, set: { reward_status: 'granted' } }],
      result: { ...key, outcome: 'granted' },
    };
  },
});
