import { defineCommand } from '../../core/define.ts';
import { userLoggedIn } from '../../schemas/catalogue.ts';
import type { UserLoggedIn } from '../../schemas/generated/events.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { UserEvent, UserState } from './aggregate.ts';
import { SESSIONS, userAggregate } from './aggregate.ts';
import { USER_NOT_FOUND } from './user-not-found.ts';

export type LogIn = UserLoggedIn & {
  /** SHA-256 of the session's refresh token. In no event. */
  readonly refresh_hash: string;
  /** ISO 8601, UTC: when the session is over by itself. */
  readonly expires_at: string;
};

/** Begins a session of a user who has been recognised, and writes the login down. The result are the user's permissions. */
export const logIn = defineCommand<LogIn, UserState, UserEvent>({
  name: 'LogIn',
  domain: 'auth',
  aggregate: userAggregate,
  aggregateId: (command) => command.user_id,
  decide(state, { user_id, session_id, ip_hash, user_agent, refresh_hash, expires_at }) {
    if (!state.registered) return USER_NOT_FOUND;
    const session = { user_id, refresh_hash, expires_at };
    return {
      events: [newEvent(userLoggedIn, { user_id, session_id, ip_hash, user_agent })],
      changes: [{ op: 'upsert', table: SESSIONS, key: { session_id }, set: session }],
      result: { permissions: [...state.permissions] },
    };
  },
});
