import { NOTHING, defineReaction } from '../../core/define.ts';
import { characterAcquireFailed, scanRewardCompensated } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { scanAggregate } from './aggregate.ts';

/**
 * The failure path: the reward could not be granted, so the scan gives up its claim and the user is told. It overtakes: behind
 * an image of the same user whose classification is tried for minutes, the claim would stand open for as long, and it reads
 * nothing but its own scan, which was completed before a reward could fail.
 */
export const compensateReward = defineReaction({
  on: characterAcquireFailed,
  overtakes: true,
  aggregate: scanAggregate,
  aggregateId: (event) => event.payload.scan_id,
  idempotencyKey: (event) => `scan:compensate:${event.payload.scan_id}`,
  decide({ state, event: { payload } }) {
    if (state.reward !== 'pending') return { ...NOTHING, result: { outcome: 'nothing_pending' } };
    const { scan_id, user_id, reason } = payload;
    return { events: [newEvent(scanRewardCompensated, { scan_id, user_id, reason })], result: { scan_id, outcome: 'compensated' } };
  },
});
