import { defineCommand } from '../../core/define.ts';
import { permissionChanged } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { UserEvent, UserState } from './aggregate.ts';
import { USERS, userAggregate } from './aggregate.ts';
import { USER_NOT_FOUND } from './user-not-found.ts';

export interface ChangePermissions {
  readonly user_id: string;
  /** All that the user may do from now on. */
  readonly permissions: readonly string[];
}

export const changePermissions = defineCommand<ChangePermissions, UserState, UserEvent>({
  name: 'ChangePermissions',
  domain: 'auth',
  aggregate: userAggregate,
  aggregateId: (command) => command.user_id,
  decide(state, { user_id, permissions }) {
    if (!state.registered) return USER_NOT_FOUND;
    const wanted = [...new Set(permissions)].sort();
    const granted = wanted.filter((permission) => !state.permissions.includes(permission));
    const revoked = state.permissions.filter((permission) => !wanted.includes(permission));
    if (granted.length === 0 && revoked.length === 0) return { events: [] };
    return {
      events: [newEvent(permissionChanged, { user_id, granted, revoked })],
      changes: [{ op: 'update', table: USERS, key: { user_id }, set: { permissions: wanted } }],
    };
  },
});
