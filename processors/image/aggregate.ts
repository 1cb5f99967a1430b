import type { AggregateDefinition, StateChange } from '../../core/define.ts';
import type { JsonObject } from '../../core/json.ts';
import type { StoredEventOf } from '../../schemas/typed-events.ts';
import { unknownStoredEvent } from '../unknown-stored-event.ts';

export type ImageState = { readonly status: 'none' | 'registered' | 'processed' | 'deleted' };
export type ImageEvent = StoredEventOf<'ImageRegistered' | 'ImageProcessed' | 'ImageDeleted'>;

export const imageAggregate: AggregateDefinition<ImageState, ImageEvent> = {
  type: 'image',
  initial: () => ({ status: 'none' }),
  evolve(_state, event) {
    switch (event.type) {
      case 'ImageRegistered':
        return { status: 'registered' };
      case 'ImageProcessed':
        return { status: 'processed' };
      case 'ImageDeleted':
        return { status: 'deleted' };
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
