import { describe, it } from 'vitest';
import { permissionChanged, userLoggedIn, userLoggedOut, userRegistered } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { OCCURRED_AT, given } from '../../test/support/given.ts';
import { userAggregate } from './aggregate.ts';
import { changePermissions } from './change-permissions.ts';
import { logIn } from './log-in.ts';
import { logOut } from './log-out.ts';
import { registerUser } from './register-user.ts';

const user = { user_id: 'u1', provider: 'local', email_hash: 'h1' };
const registered = newEvent(userRegistered, user);
const login = { user_id: 'u1', session_id: 's1', ip_hash: 'h2', user_agent: 'curl' };
const loggedIn = newEvent(userLoggedIn, login);
const logout = { user_id: 'u1', jti: 'j1', expires_at: '2026-03-01T10:00:00Z', session_id: 's1' };
const loggedOut = newEvent(userLoggedOut, logout);
const token = { kind: 'token', id: 'j1', revoked_at: '2026-03-01T09:00:00.000Z', expires_at: '2026-03-01T10:01:00.000Z' };
const changed = (granted: string[], revoked: string[]) => newEvent(permissionChanged, { user_id: 'u1', granted, revoked });
const audit = { session_id: 's1', user_id: 'u1', ip_hash: 'h2', user_agent: 'curl', logged_in_at: OCCURRED_AT };
const session = { session_id: 's1', user_id: 'u1', refresh_hash: 'h3', expires_at: '2026-04-01T00:00:00Z' };

describe('RegisterUser with a password', () => {
  it('keeps its hash beside the user and in no event', () => {
    given(userAggregate, 'u1')
      .when(registerUser, { ...user, password_hash: 'scrypt$…' })
      .then({ events: [registered], tables: { credentials: [{ user_id: 'u1', password_hash: 'scrypt$…' }] } });
  });
});

describe('LogIn', () => {
  const command = { ...login, refresh_hash: 'h3', expires_at: '2026-04-01T00:00:00Z' };

  it('begins a session, writes the login down, and results in what the user may do', () => {
    given(userAggregate, 'u1', [registered, changed(['operator', 'audit'], [])])
      .when(logIn, command)
      .then({
        events: [loggedIn],
        tables: { login_audits: [audit], sessions: [session] },
        result: { permissions: ['audit', 'operator'] },
      });
  });

  it('is for registered users', () => {
    given(userAggregate, 'u1').when(logIn, command).then({ rejected: 'user_not_found' });
  });
});

describe('LogOut', () => {
  it('gives the token back, and the audit says when', () => {
    given(userAggregate, 'u1', [registered, loggedIn])
      .when(logOut, logout)
      .then({
        events: [loggedOut],
        tables: { login_audits: [{ ...audit, logged_out_at: OCCURRED_AT }], revocations: [token, { ...token, kind: 'session', id: 's1' }] },
      });
  });

  it('of a token without a session leaves the sessions alone', () => {
    given(userAggregate, 'u1', [registered, loggedIn])
      .when(logOut, { ...logout, session_id: null })
      .then({
        events: [newEvent(userLoggedOut, { ...logout, session_id: null })],
        tables: { login_audits: [audit], revocations: [token] },
      });
  });

  it('happens once per token', () => {
    given(userAggregate, 'u1', [registered, loggedIn, loggedOut]).when(logOut, logout).then({ events: [] });
    given(userAggregate, 'u1').when(logOut, logout).then({ rejected: 'user_not_found' });
  });

  it('does not remember more tokens than it must', () => {
    const many = Array.from({ length: 20 }, (_, index) => newEvent(userLoggedOut, { ...logout, jti: `later${index}` }));
    given(userAggregate, 'u1', [registered, loggedOut, ...many])
      .when(logOut, logout)
      .then({ events: [loggedOut] });
  });
});

describe('ChangePermissions', () => {
  const row = { ...user, created_at: OCCURRED_AT };

  it('says what is granted and what is revoked, and keeps all of it', () => {
    given(userAggregate, 'u1', [registered, changed(['audit', 'operator'], [])])
      .when(changePermissions, { user_id: 'u1', permissions: ['support', 'audit', 'audit'] })
      .then({
        events: [changed(['support'], ['operator'])],
        tables: { users: [{ ...row, permissions: ['audit', 'support'] }] },
      });
  });

  it('says nothing when nothing changes', () => {
    given(userAggregate, 'u1', [registered, changed(['audit', 'operator'], [])])
      .when(changePermissions, { user_id: 'u1', permissions: ['operator', 'audit'] })
      .then({ events: [] });
  });

  it('is for registered users', () => {
    given(userAggregate, 'u1').when(changePermissions, { user_id: 'u1', permissions: [] }).then({ rejected: 'user_not_found' });
  });
});
