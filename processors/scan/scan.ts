import { defineDomain, defineProcessor } from '../../core/define.ts';
import { scanCompleted, scanFailed, scanRequested, scanRewardCompensated } from '../../schemas/catalogue.ts';
import { scanAggregate } from './aggregate.ts';
import { classifyRegisteredImage } from './classify-registered-image.ts';
import { classifyRequestedScan } from './classify-requested-scan.ts';
import { compensateReward } from './compensate-reward.ts';
import { markRewardGranted } from './mark-reward-granted.ts';

export const scan = defineDomain({
  name: 'scan',
  events: [scanRequested, scanCompleted, scanFailed, scanRewardCompensated],
  aggregates: [scanAggregate],
  processor: defineProcessor({
    domain: 'scan',
    reactions: [classifyRegisteredImage, classifyRequestedScan, markRewardGranted, compensateReward],
  }),
  captured: true,
  tables: [{ table: 'scan_records', topic: 'records', keyField: 'user_id' }],
});
