import { defineDomain, defineProcessor } from '../../core/define.ts';
import { deliveryAggregate } from './delivery.ts';
import { tellChatResponded } from './tell-chat-responded.ts';
import { tellProfileUpdated } from './tell-profile-updated.ts';
import { tellRewardFailed } from './tell-reward-failed.ts';
import { tellScanFailed } from './tell-scan-failed.ts';

export const notification = defineDomain({
  name: 'notification',
  events: [],
  aggregates: [deliveryAggregate],
  processor: defineProcessor({
    domain: 'notification',
    reactions: [tellChatResponded, tellProfileUpdated, tellRewardFailed, tellScanFailed],
  }),
  captured: false,
});
