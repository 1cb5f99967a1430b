import { defineCommand } from '../../core/define.ts';
import { scanRequested } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { ScanEvent, ScanState } from './aggregate.ts';
import { scanAggregate } from './aggregate.ts';

export interface RequestScan {
  readonly scan_id: string;
  readonly user_id: string;
  readonly image_url: string;
  /** What the user says about the image. */
  readonly user_input: string | null;
}

/** Asks for the classification of an image that is not a registered one. */
export const requestScan = defineCommand<RequestScan, ScanState, ScanEvent>({
  name: 'RequestScan',
  domain: 'scan',
  aggregate: scanAggregate,
  aggregateId: (command) => command.scan_id,
  decide(state, { scan_id, user_id, image_url, user_input }) {
    if (state.status !== 'none') return { rejected: 'scan_already_requested', detail: 'A scan with this id was requested already.' };
    return { events: [newEvent(scanRequested, { scan_id, user_id, image_url, user_input })] };
  },
});
