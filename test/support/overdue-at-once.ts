import { definePipeline } from '../../core/define-pipeline.ts';
import { character } from '../../processors/character/character.ts';
import { image } from '../../processors/image/image.ts';
import { my } from '../../processors/my/my.ts';
import { scanToReward } from '../../processors/sagas/scan-to-reward.ts';
import { scan } from '../../processors/scan/scan.ts';

/** Overdue as soon as it is looked at: what a test waits for is a condition and never a time. */
export const saga = { ...scanToReward, deadlineMs: 1 };
export const pipeline = definePipeline({ domains: [image, scan, character, my], projections: [], sagas: [saga] });
