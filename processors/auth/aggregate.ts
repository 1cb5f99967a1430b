import type { Revocation } from '../../core/access-token.ts';
import { revocationsOfLogOut } from '../../core/access-token.ts';
import type { AggregateDefinition, StateChange } from '../../core/define.ts';
import type { StoredEventOf } from '../../schemas/typed-events.ts';
import { unknownStoredEvent } from '../unknown-stored-event.ts';

export type UserState = {
  readonly registered: boolean;
  /** Sorted. */
  readonly permissions: readonly string[];
  /** The ids of the tokens that were given back last, so that giving one back again changes nothing. */
  readonly tokensEnded: readonly string[];
};
export type UserEvent = StoredEventOf<'UserRegistered' | 'UserLoggedIn' | 'UserLoggedOut' | 'PermissionChanged'>;

export const USERS = 'users';
export const CREDENTIALS = 'credentials';
export const SESSIONS = 'sessions';
const LOGIN_AUDITS = 'login_audits';
const REVOCATIONS = 'revocations';
const TOKENS_REMEMBERED = 20;

export const userAggregate: AggregateDefinition<UserState, UserEvent> = {
  type: 'user',
  stateVersion: 2,
  initial: () => ({ registered: false, permissions: [], tokensEnded: [] }),
  evolve(state, event) {
    switch (event.type) {
      case 'UserRegistered':
        return { ...state, registered: true };
      case 'UserLoggedIn':
        return state;
      case 'UserLoggedOut':
        return { ...state, tokensEnded: [...state.tokensEnded, event.payload.jti].slice(-TOKENS_REMEMBERED) };
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
    switch (event.type) {
      case 'UserRegistered': {
        const { provider, email_hash } = event.payload;
        return [{ op: 'upsert', table: USERS, key: { user_id: userId }, set: { provider, email_hash, created_at: event.occurredAt } }];
      }
      case 'UserLoggedIn': {
        const { session_id, ip_hash, user_agent } = event.payload;
        const set = { user_id: userId, ip_hash, user_agent, logged_in_at: event.occurredAt };
        return [{ op: 'upsert', table: LOGIN_AUDITS, key: { session_id }, set }];
      }
      case 'UserLoggedOut': {
        const { session_id = null } = event.payload;
        const revocations = revocationsOfLogOut(event.payload, event.occurredAt).map(revoked);
        if (session_id === null) return revocations;
        const key = { session_id };
        return [
          ...revocations,
          { op: 'update', table: LOGIN_AUDITS, key, set: { logged_out_at: event.occurredAt } },
          { op: 'update', table: SESSIONS, key, set: { ended_at: event.occurredAt } },
        ];
      }
      case 'PermissionChanged':
        // All permissions are the command's to write: an event holds what changed.
        return [];
      default:
        return unknownStoredEvent(event);
    }
  },
};

function revoked({ of: kind, id, revokedAtMs, untilMs }: Revocation): StateChange {
  const set = { revoked_at: new Date(revokedAtMs).toISOString(), expires_at: new Date(untilMs).toISOString() };
  return { op: 'upsert', table: REVOCATIONS, key: { kind, id }, set };
}
