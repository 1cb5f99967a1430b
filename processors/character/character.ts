import { defineDomain, defineProcessor } from '../../core/define.ts';
import { characterAcquireFailed, characterAcquired, characterEvolved, characterLost } from '../../schemas/catalogue.ts';
import { userCharactersAggregate } from './aggregate.ts';
import { CHARACTER_SEED } from './catalogue.ts';
import { grantScanReward } from './grant-scan-reward.ts';

export const character = defineDomain({
  name: 'character',
  events: [characterAcquired, characterAcquireFailed, characterLost, characterEvolved],
  aggregates: [userCharactersAggregate],
  processor: defineProcessor({ domain: 'character', reactions: [grantScanReward] }),
  captured: true,
  tables: [
    { table: 'characters', topic: 'characters', keyField: 'character_id' },
    { table: 'character_ownerships', topic: 'ownerships', keyField: 'user_id' },
  ],
  seeds: [CHARACTER_SEED],
});
