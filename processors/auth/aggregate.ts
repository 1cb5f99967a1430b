import type { AggregateDefinition } from '../../core/define.ts';
import type { StoredEventOf } from '../../schemas/typed-events.ts';
import { unknownStoredEvent } from '../unknown-stored-event.ts';

export type UserState = { readonly registered: boolean; readonly permissions: readonly string[] };
export type UserEvent = StoredEventOf<'UserRegistered' | 'UserLoggedIn' | 'UserLoggedOut' | 'PermissionChanged'>;

export const userAggregate: AggregateDefinition<UserState, UserEvent> = {
  type: 'user',
  initial: () => ({ registered: false, permissions: [] }),
  evolve(state, event) {
    switch (event.type) {
      case 'UserRegistered':
        return { ...state, registered: true };
      case 'UserLoggedIn':
      case 'UserLoggedOut':
        return state;
      case 'PermissionChanged': {
        const { granted, revoked } = event.payload;
        const permissions = new Set([...state.permissions, ...granted]);
        for (const permission of revoked) permissions.delete(permission);
        return { ...state, permissions: [...permissions].sort() };
      }
      default:
        return unknownStoredEvent(event);
    }
  },
  tables(event, userId) {
    if (event.type !== 'UserRegistered') return [];
    const { provider, email_hash } = event.payload;
    return [{ op: 'upsert', table: 'users', key: { user_id: userId }, set: { provider, email_hash, created_at: event.occurredAt } }];
  },
};
