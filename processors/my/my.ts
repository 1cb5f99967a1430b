import { defineDomain, defineProcessor } from '../../core/define.ts';
import { preferencesChanged, profileUpdated } from '../../schemas/catalogue.ts';
import { profileAggregate } from './aggregate.ts';
import { countAcquiredCharacter } from './count-acquired-character.ts';
import { countLostCharacter } from './count-lost-character.ts';

export const my = defineDomain({
  name: 'my',
  events: [profileUpdated, preferencesChanged],
  aggregates: [profileAggregate],
  processor: defineProcessor({ domain: 'my', reactions: [countAcquiredCharacter, countLostCharacter] }),
  captured: true,
  tables: [{ table: 'users', topic: 'users', keyField: 'user_id' }],
});
