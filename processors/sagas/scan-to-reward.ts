import { NOTHING } from '../../core/define.ts';
import { defineSaga, happened, inPlaceOf, madeUpFor, reactedTo } from '../../core/saga.ts';
import {
  characterAcquireFailed,
  characterAcquired,
  imageRegistered,
  profileUpdated,
  scanCompleted,
  scanFailed,
  scanRequested,
  scanRewardCompensated,
} from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { userCharactersAggregate } from '../character/aggregate.ts';
import { grantScanReward } from '../character/grant-scan-reward.ts';
import { countAcquiredCharacter } from '../my/count-acquired-character.ts';
import { classifyRegisteredImage } from '../scan/classify-registered-image.ts';
import { classifyRequestedScan } from '../scan/classify-requested-scan.ts';
import { compensateReward } from '../scan/compensate-reward.ts';
import { markRewardGranted } from '../scan/mark-reward-granted.ts';
import { OVERDUE, SAGA_DEADLINE_MS } from './deadline.ts';

const NOT_CLASSIFIED = { kind: 'rejected', reason: OVERDUE } as const;

/** From an image to its reward, or to the user who knows that there is none. */
export const scanToReward = defineSaga({
  name: 'scan-to-reward',
  begins: [imageRegistered, scanRequested],
  ends: {
    failed: [happened(scanFailed)],
    not_eligible: [happened(scanCompleted, ({ reward_eligible }) => reward_eligible !== true)],
    compensated: [happened(scanRewardCompensated)],
    granted: [happened(characterAcquired), happened(profileUpdated), reactedTo('scan', characterAcquired)],
  },
  deadlineMs: SAGA_DEADLINE_MS,
  overdue: [
    madeUpFor(classifyRegisteredImage, NOT_CLASSIFIED),
    madeUpFor(classifyRequestedScan, NOT_CLASSIFIED),
    // Where the reward is granted and under its key, so that a grant that comes late changes nothing. Scan then gives up its claim.
    inPlaceOf(grantScanReward, {
      on: scanCompleted,
      aggregate: userCharactersAggregate,
      action: 'compensate',
      decide({ event: { payload } }) {
        if (payload.reward_eligible !== true) return { ...NOTHING, result: { outcome: 'not_eligible' } };
        const { user_id, scan_id } = payload;
        return { events: [newEvent(characterAcquireFailed, { user_id, scan_id, reason: OVERDUE })], result: { outcome: OVERDUE } };
      },
    }),
    madeUpFor(compensateReward),
    madeUpFor(markRewardGranted),
    madeUpFor(countAcquiredCharacter),
  ],
});
