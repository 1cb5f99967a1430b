import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { revocationsOfLogOut } from '../core/access-token.ts';
import type { Clock } from '../core/clock.ts';
import { described, SECURED, TRACE_HEADERS } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import {
  ANSWER_HEADERS,
  COMMAND_HEADERS,
  TraceId,
  acceptedAnswer,
  bodyProblems,
  commandProblems,
  commandRequest,
} from './command-route.ts';
import type { Accounts, Commands, Revocations, Tokens } from './ports.ts';
import { problemAnswers } from './problem-answers.ts';
import { HttpProblem } from './problem.ts';
import { OPERATOR, requireOperator } from './require-operator.ts';
import { storableText } from './storable-text.ts';

const USER_AGENT_LENGTH = 256;

const Email = Type.String({ format: 'email', maxLength: 254 });
const Registration = Type.Object(
  { email: Email, password: Type.String({ minLength: 10, maxLength: 128, description: 'At least 10 characters' }) },
  { additionalProperties: false },
);
const Credentials = Type.Object({ email: Email, password: Type.String({ minLength: 1, maxLength: 128 }) }, { additionalProperties: false });
const Refresh = Type.Object({ refresh_token: Type.String({ minLength: 1, maxLength: 256 }) }, { additionalProperties: false });
const Registered = Type.Object({ user_id: Type.String(), trace_id: TraceId });
const TokenAnswer = Type.Object({
  user_id: Type.String(),
  session_id: Type.String(),
  token_type: Type.Enum(['Bearer']),
  access_token: Type.String(),
  expires_in: Type.Integer({ description: 'Seconds' }),
  refresh_token: Type.String({ description: 'For POST /auth/refresh, once: it gives the next one' }),
});

const UserPath = Type.Object({ id: Type.String({ pattern: '^[A-Za-z0-9._~@|+=-]{1,64}$' }) }, { additionalProperties: false });
const Permissions = Type.Object(
  {
    permissions: Type.Array(Type.String({ pattern: '^[a-z][a-z0-9:_.-]{0,63}$' }), {
      maxItems: 64,
      description: 'All that the user may do from now on',
    }),
  },
  { additionalProperties: false },
);
const Done = Type.Null({ description: 'Committed' });

const PUBLIC = { isPublic: true, rateClass: 'sign-in' } as const;
const SIGN_IN = [
  ...(['invalid-request', 'malformed-request', 'body-too-large', 'unsupported-media-type'] as const),
  ...(['rate-limited', 'internal', 'not-offered', 'unavailable'] as const),
];

export interface AuthDependencies {
  readonly commands: Commands;
  readonly accounts?: Accounts | undefined;
  readonly revocations: Revocations;
  readonly clock: Clock;
}

export function addAuthRoutes(app: ApiServer, { commands, accounts, revocations, clock }: AuthDependencies): void {
  addSignIn(app, accounts);
  const common = { tags: ['auth'], security: SECURED, headers: COMMAND_HEADERS };

  const logOut = {
    ...common,
    operationId: 'logOut',
    summary: 'Give your token back and end its session',
    description: 'The session gives no further tokens, and none that it gave is accepted any more. Doing it again changes nothing.',
    response: { 204: Done, ...commandProblems('refused') },
  };
  const config = { rateClass: 'command', acceptsRevokedToken: true } as const;
  app.post('/auth/logout', { schema: logOut, config }, async (request, reply) => {
    const token = tokenOf(request);
    const { tokenId, sessionId, expiresAt } = token;
    if (tokenId === undefined) throw new HttpProblem('refused', { detail: 'The token has no id.', reason: 'token_without_id' });
    const command = { tokenId, sessionId, expiresAt, ...commandRequest(request) };
    acceptedAnswer(reply, await commands.logOut(command, request.context.trace));
    // Once more, it must not end what its session has been given since.
    if (await revocations.isRevoked(token)) return reply.code(204).send(null);
    const loggedOut = { jti: tokenId, expires_at: expiresAt, session_id: sessionId ?? null };
    await revocations.refuse(revocationsOfLogOut(loggedOut, new Date(clock.nowMs()).toISOString()));
    return reply.code(204).send(null);
  });

  const permissions = {
    ...common,
    operationId: 'changePermissions',
    summary: 'Say what a user may do',
    description: `Only with the permission ${OPERATOR}. The user's next token says it.`,
    params: UserPath,
    body: Permissions,
    response: { 204: Done, ...bodyProblems('forbidden', 'resource-not-found') },
  };
  app.put('/auth/users/:id/permissions', { schema: permissions, config: { rateClass: 'command' } }, async (request, reply) => {
    requireOperator(request);
    const command = { ofUserId: request.params.id, permissions: request.body.permissions, ...commandRequest(request) };
    acceptedAnswer(reply, await commands.changePermissions(command, request.context.trace));
    return reply.code(204).send(null);
  });
}

function addSignIn(app: ApiServer, accounts: Accounts | undefined): void {
  const common = { tags: ['auth'], headers: Type.Object(TRACE_HEADERS) };
  const tokens = (description: string) => ({ 200: described(TokenAnswer, description), ...problemAnswers('unauthenticated', ...SIGN_IN) });

  const register = {
    ...common,
    operationId: 'registerUser',
    summary: 'Register with an e-mail address and a password',
    body: Registration,
    response: { 201: described(Registered, 'Committed', ANSWER_HEADERS), ...problemAnswers('refused', ...SIGN_IN) },
  };
  app.post('/auth/register', { schema: register, config: PUBLIC }, async (request, reply) => {
    const { email, password } = request.body;
    const userId = await offered(accounts).register({ email, password: storableText('password', password) }, request.context.trace);
    if (userId === undefined) {
      throw new HttpProblem('refused', { detail: 'This address is registered already.', reason: 'user_already_registered' });
    }
    return reply.code(201).send({ user_id: userId, trace_id: request.context.trace.traceId });
  });

  const logIn = { ...common, operationId: 'logIn', summary: 'Begin a session', body: Credentials, response: tokens('A session has begun') };
  app.post('/auth/login', { schema: logIn, config: PUBLIC }, async (request) => {
    const client = { address: request.ip, userAgent: userAgentOf(request) };
    return tokenAnswer(await offered(accounts).logIn({ ...request.body, ...client }, request.context.trace), NO_SUCH_LOGIN);
  });

  const refresh = {
    ...common,
    operationId: 'refreshTokens',
    summary: 'Exchange a refresh token for the next tokens',
    description: 'A refresh token that is used twice ends its session: two hold it.',
    body: Refresh,
    response: tokens('The session goes on'),
  };
  app.post('/auth/refresh', { schema: refresh, config: PUBLIC }, async (request) =>
    tokenAnswer(await offered(accounts).refresh(request.body.refresh_token), NO_SUCH_SESSION),
  );
}

/** @throws HttpProblem when users are signed in elsewhere: by the issuer whose keys check the tokens. */
function offered(accounts: Accounts | undefined): Accounts {
  if (accounts !== undefined) return accounts;
  throw new HttpProblem('not-offered', { detail: 'Users are signed in by the issuer of the tokens, not here.' });
}

/** Whether the address is known is not told. */
const NO_SUCH_LOGIN = 'Address and password do not fit.';
/** Neither is what became of the session. */
const NO_SUCH_SESSION = 'The refresh token is not valid, or not any more. Log in again.';

/** @throws HttpProblem that does not tell what was wrong. */
function tokenAnswer(tokens: Tokens | undefined, refusal: string) {
  if (tokens === undefined) {
    const headers = { 'www-authenticate': 'Bearer realm="millrace"' };
    throw new HttpProblem('unauthenticated', { detail: refusal, headers });
  }
  return {
    user_id: tokens.userId,
    session_id: tokens.sessionId,
    token_type: 'Bearer' as const,
    access_token: tokens.accessToken,
    expires_in: tokens.expiresInSeconds,
    refresh_token: tokens.refreshToken,
  };
}

function tokenOf(request: FastifyRequest) {
  const { token } = request.context;
  if (token === undefined) throw new Error('a route was reached without authentication');
  return token;
}

function userAgentOf(request: FastifyRequest): string {
  return (request.headers['user-agent'] ?? '').replaceAll(/[^\x20-\x7e]/g, '?').slice(0, USER_AGENT_LENGTH);
}
