import { defineCommand } from '../../core/define.ts';
import { userRegistered } from '../../schemas/catalogue.ts';
import type { UserRegistered } from '../../schemas/generated/events.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { UserEvent, UserState } from './aggregate.ts';
import { CREDENTIALS, userAggregate } from './aggregate.ts';

export type RegisterUser = UserRegistered & {
  /** Of a user who proves to be one with a password. In no event. */
  readonly password_hash?: string;
};

export const registerUser = defineCommand<RegisterUser, UserState, UserEvent>({
  name: 'RegisterUser',
  domain: 'auth',
  aggregate: userAggregate,
  aggregateId: (command) => command.user_id,
  decide(state, { user_id, provider, email_hash, password_hash }) {
    if (state.registered) return { rejected: 'user_already_registered', detail: 'This user is registered already.' };
    return {
      events: [newEvent(userRegistered, { user_id, provider, email_hash })],
      ...(password_hash === undefined ? {} : { changes: [{ op: 'upsert', table: CREDENTIALS, key: { user_id }, set: { password_hash } }] }),
    };
  },
});
