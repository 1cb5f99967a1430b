import type { AggregateDefinition, StateChange } from '../../core/define.ts';
import type { StoredEventOf } from '../../schemas/typed-events.ts';
import { unknownStoredEvent } from '../unknown-stored-event.ts';

/** `granted` is in the table only: no event of this domain says it. */
export type ScanState = {
  readonly status: 'none' | 'requested' | 'completed' | 'failed';
  readonly reward: 'none' | 'pending' | 'failed';
};
export type ScanEvent = StoredEventOf<'ScanRequested' | 'ScanCompleted' | 'ScanFailed' | 'ScanRewardCompensated'>;

export const SCAN_RECORDS = 'scan_records';
/** A task is a scan that was asked for by itself; its id is the scan's. */
const SCAN_TASKS = 'scan_tasks';

export const scanAggregate: AggregateDefinition<ScanState, ScanEvent> = {
  type: 'scan',
  initial: () => ({ status: 'none', reward: 'none' }),
  evolve(state, event) {
    switch (event.type) {
      case 'ScanRequested':
        return { ...state, status: 'requested' };
      case 'ScanCompleted':
        return { status: 'completed', reward: event.payload.reward_eligible === true ? 'pending' : 'none' };
      case 'ScanFailed':
        return { status: 'failed', reward: 'none' };
      case 'ScanRewardCompensated':
        return { ...state, reward: 'failed' };
      default:
        return unknownStoredEvent(event);
    }
  },
  tables(event, scanId) {
    const key = { scan_id: scanId };
    switch (event.type) {
      case 'ScanRequested': {
        const { user_id, image_id = null, image_url = null, user_input = null } = event.payload;
        const set = { user_id, image_id, image_url, user_input, status: 'requested', requested_at: event.occurredAt };
        const task = { scan_id: scanId, user_id, status: 'requested', created_at: event.occurredAt, updated_at: event.occurredAt };
        return [
          { op: 'upsert', table: SCAN_RECORDS, key, set },
          { op: 'upsert', table: SCAN_TASKS, key: { task_id: scanId }, set: task },
        ];
      }
      case 'ScanCompleted': {
        const { user_id, category, confidence = null, reward_eligible = false } = event.payload;
        const reward_status = reward_eligible ? 'pending' : 'none';
        const set = { user_id, category, confidence, reward_eligible, reward_status, status: 'completed', completed_at: event.occurredAt };
        return [{ op: 'upsert', table: SCAN_RECORDS, key, set }, taskEnded(scanId, 'completed', event.occurredAt)];
      }
      case 'ScanFailed': {
        const { user_id, reason } = event.payload;
        const reward = { reward_eligible: false, reward_status: 'none' };
        const set = { user_id, ...reward, failure_reason: reason, status: 'failed', completed_at: event.occurredAt };
        return [{ op: 'upsert', table: SCAN_RECORDS, key, set }, taskEnded(scanId, 'failed', event.occurredAt)];
      }
      case 'ScanRewardCompensated':
        return [{ op: 'update', table: SCAN_RECORDS, key, set: { reward_status: 'failed', failure_reason: event.payload.reason } }];
      default:
        return unknownStoredEvent(event);
    }
  },
};

/** Of a scan that came from a registered image there is no task, and this finds nothing. */
function taskEnded(task_id: string, status: 'completed' | 'failed', updated_at: string): StateChange {
  return { op: 'update', table: SCAN_TASKS, key: { task_id }, set: { status, updated_at } };
}
