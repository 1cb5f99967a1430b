import { defineReaction } from '../../core/define.ts';
import { characterLost } from '../../schemas/catalogue.ts';
import { profileAggregate } from './aggregate.ts';
import { statisticsChanged } from './profile-statistics.ts';

/** What was acquired last stays what was acquired last, also when it is lost. */
export const countLostCharacter = defineReaction({
  on: characterLost,
  aggregate: profileAggregate,
  aggregateId: (event) => event.payload.user_id,
  idempotencyKey: (event) => `my:lost:${event.id}`,
  decide: ({ state, event: { payload } }) => statisticsChanged(payload.user_id, { ...state, lost: state.lost + 1 }, 'character_lost'),
});
