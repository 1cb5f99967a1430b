import { defineReaction } from '../../core/define.ts';
import { characterAcquired } from '../../schemas/catalogue.ts';
import { profileAggregate } from './aggregate.ts';
import { statisticsChanged } from './profile-statistics.ts';

export const countAcquiredCharacter = defineReaction({
  on: characterAcquired,
  aggregate: profileAggregate,
  aggregateId: (event) => event.payload.user_id,
  idempotencyKey: (event) => `my:acquired:${event.id}`,
  decide({ state, event: { payload } }) {
    const lastCharacter = { id: payload.character_id, name: payload.character_name };
    return statisticsChanged(payload.user_id, { ...state, acquired: state.acquired + 1, lastCharacter }, 'character_acquired');
  },
});
