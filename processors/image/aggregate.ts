import type { AggregateDefinition, StateChange } from '../../core/define.ts';
import type { JsonObject } from '../../core/json.ts';
import type { StoredEventOf } from '../../schemas/typed-events.ts';
import { unknownStoredEvent } from '../unknown-stored-event.ts';

export type ImageState = {
  readonly status: 'none' | 'registered' | 'processed' | 'deleted';
  /** Whose image it is; null before it is registered. */
  readonly userId: string | null;
};
export type ImageEvent = StoredEventOf<'ImageRegistered' | 'ImageProcessed' | 'ImageDeleted'>;

export const imageAggregate: AggregateDefinition<ImageState, ImageEvent> = {
  type: 'image',
  stateVersion: 2,
  initial: () => ({ status: 'none', userId: null }),
  evolve(state, event) {
    switch (event.type) {
      case 'ImageRegistered':
        return { status: 'registered', userId: event.payload.user_id };
      case 'ImageProcessed':
        return { ...state, status: 'processed' };
      case 'ImageDeleted':
        return { ...state, status: 'deleted' };
      default:
        return unknownStoredEvent(event);
    }
  },
  tables(event, imageId) {
    switch (event.type) {
      case 'ImageRegistered': {
        const { user_id, cdn_url } = event.payload;
        const set = { user_id, cdn_url, status: 'registered', registered_at: event.occurredAt };
        return [{ op: 'upsert', table: 'images', key: { image_id: imageId }, set }];
      }
      case 'ImageProcessed':
        return [moved(imageId, { status: 'processed', processed_at: event.occurredAt })];
      case 'ImageDeleted':
        return [moved(imageId, { status: 'deleted', deleted_at: event.occurredAt })];
      default:
        return unknownStoredEvent(event);
    }
  },
};

function moved(imageId: string, set: JsonObject): StateChange {
  return { op: 'update', table: 'images', key: { image_id: imageId }, set };
}
