import { describe, expect, it } from 'vitest';
import { permissionChanged, userLoggedIn, userLoggedOut, userRegistered } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { OCCURRED_AT, given } from '../../test/support/given.ts';
import type { UserEvent } from './aggregate.ts';
import { userAggregate } from './aggregate.ts';
import { registerUser } from './register-user.ts';

const user = { user_id: 'u1', provider: 'kakao', email_hash: 'h1' };
const registered = newEvent(userRegistered, user);

describe('RegisterUser', () => {
  it('registers a new user and keeps the row', () => {
    given(userAggregate, 'u1')
      .when(registerUser, user)
      .then({ events: [registered], tables: { users: [{ ...user, created_at: OCCURRED_AT }] } });
  });

  it('rejects a user who is registered already, whatever happened since', () => {
    const past = [
      registered,
      newEvent(userLoggedIn, { user_id: 'u1', session_id: 's1', ip_hash: 'h2', user_agent: 'curl' }),
      newEvent(permissionChanged, { user_id: 'u1', granted: ['operator'], revoked: [] }),
      newEvent(userLoggedOut, { user_id: 'u1', jti: 'j1', expires_at: '2026-03-01T10:00:00Z' }),
    ];
    given(userAggregate, 'u1', past)
      .when(registerUser, { ...user, provider: 'google' })
      .then({ rejected: 'user_already_registered' });
  });

  it('does not carry a field of the caller that the event does not have', () => {
    const body = { ...user, password: 'x' };
    given(userAggregate, 'u1')
      .when(registerUser, body)
      .then({ events: [registered] });
  });
});

describe('permissions', () => {
  it('are what was granted and not revoked', () => {
    const change = (granted: string[], revoked: string[]): UserEvent => ({
      ...newEvent(permissionChanged, { user_id: 'u1', granted, revoked }),
      version: 1n,
      occurredAt: OCCURRED_AT,
    });
    const first = userAggregate.evolve(userAggregate.initial('u1'), change(['write', 'operator'], []));
    expect(userAggregate.evolve(first, change(['audit'], ['operator'])).permissions).toEqual(['audit', 'write']);
  });
});
