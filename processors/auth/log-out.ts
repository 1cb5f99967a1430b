import { defineCommand } from '../../core/define.ts';
import { userLoggedOut } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { UserEvent, UserState } from './aggregate.ts';
import { userAggregate } from './aggregate.ts';
import { USER_NOT_FOUND } from './user-not-found.ts';

export interface LogOut {
  readonly user_id: string;
  /** The id of the token that is given back. */
  readonly jti: string;
  /** ISO 8601, UTC: when it expires by itself. */
  readonly expires_at: string;
  /** Null: the token names no session. */
  readonly session_id: string | null;
}

/** Ends a session with the token that it gave; doing it again changes nothing. */
export const logOut = defineCommand<LogOut, UserState, UserEvent>({
  name: 'LogOut',
  domain: 'auth',
  aggregate: userAggregate,
  aggregateId: (command) => command.user_id,
  decide(state, { user_id, jti, expires_at, session_id }) {
    if (!state.registered) return USER_NOT_FOUND;
    if (state.tokensEnded.includes(jti)) return { events: [] };
    return { events: [newEvent(userLoggedOut, { user_id, jti, expires_at, session_id })] };
  },
});
