import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { described, SECURED, Timestamp, TRACE_HEADERS } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import { bearerToken } from './authenticate.ts';
import type { Authenticate, Caller, InspectToken } from './authenticate.ts';
import { problemAnswers } from './problem-answers.ts';

const Introspection = Type.Object(
  {
    active: Type.Boolean({ description: 'False: it must not be accepted, for whatever reason; nothing else is said then' }),
    sub: Type.Optional(Type.String({ description: 'The user' })),
    sid: Type.Optional(Type.String({ description: 'The session' })),
    jti: Type.Optional(Type.String()),
    permissions: Type.Optional(Type.Array(Type.String())),
    expires_at: Type.Optional(Timestamp),
  },
  { description: 'What the token of the request is worth now' },
);
const Allowed = Type.Null({ description: 'Let the request pass: it comes from the user that x-user-id names' });
const ALLOWED_HEADERS = {
  'x-user-id': { type: 'string', description: 'The user' },
  'x-session-id': { type: 'string', description: 'The session, when the token names one' },
  'x-user-permissions': { type: 'string', description: 'Separated by commas; empty for none' },
};
/** Asked by services and gateways for everybody: who asks here is not who is counted. */
const CONFIG = { isPublic: true, rateClass: 'unlimited' } as const;
const COMMON = ['unauthenticated', 'internal', 'unavailable'] as const;

export function addTokenRoutes(app: ApiServer, authenticate: Authenticate, inspect: InspectToken): void {
  const introspect = {
    operationId: 'introspectToken',
    tags: ['auth'],
    summary: 'What your token is worth now',
    description: 'For services that are handed tokens. 401 only when the request holds no token at all.',
    security: SECURED,
    headers: Type.Object(TRACE_HEADERS),
    response: { 200: described(Introspection, 'Whether it is good, and whose it is'), ...problemAnswers('invalid-request', ...COMMON) },
  };
  app.get('/auth/introspect', { schema: introspect, config: CONFIG }, async (request) => {
    const inspected = await inspect(bearerToken(request.headers.authorization));
    if (inspected.kind !== 'active') return { active: false };
    request.context.userId = inspected.userId;
    return { active: true, ...introspected(inspected) };
  });
  app.register(async (scope) => addCheck(scope as ApiServer, authenticate));
}

/**
 * Envoy's HTTP ext_authz: the gateway repeats a request's method, path (behind this one as its prefix) and headers here, and
 * lets it pass when the answer is 200. So any method and any path below is answered alike, and a body is not looked at.
 */
function addCheck(app: ApiServer, authenticate: Authenticate): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => {
    payload.resume();
    done(null);
  });
  const check = {
    operationId: 'checkRequest',
    tags: ['auth'],
    summary: 'Whether a gateway should let a request pass',
    description:
      "For Envoy's HTTP ext_authz filter, with this path as path_prefix: every method, and every path below this one, is answered alike.",
    security: SECURED,
    response: { 200: described(Allowed, 'Let it pass', ALLOWED_HEADERS), ...problemAnswers(...COMMON) },
  };
  const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const caller = await authenticate(request.headers.authorization);
    request.context.userId = caller.userId;
    await reply.headers(upstreamHeaders(caller)).send();
  };
  app.post('/auth/check', { schema: check, config: CONFIG }, handler);
  const others = { schema: { hide: true }, config: CONFIG, handler };
  app.route({ ...others, method: ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'], url: '/auth/check' });
  app.route({ ...others, method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'], url: '/auth/check/*' });
}

function introspected({ userId, claims }: Caller) {
  const { tokenId, sessionId, permissions, expiresAt } = claims;
  return {
    sub: userId,
    ...(sessionId === undefined ? {} : { sid: sessionId }),
    ...(tokenId === undefined ? {} : { jti: tokenId }),
    permissions: [...permissions],
    expires_at: expiresAt,
  };
}

/** What the gateway may hand on. A claim that cannot stand in a header as it is stays out: it must not read as another one. */
function upstreamHeaders({ userId, claims: { sessionId, permissions } }: Caller): Record<string, string> {
  const isPlain = (text: string): boolean => /^[\x21-\x2b\x2d-\x7e]+$/.test(text);
  return {
    'x-user-id': userId,
    'x-user-permissions': permissions.filter(isPlain).join(','),
    ...(sessionId !== undefined && isPlain(sessionId) ? { 'x-session-id': sessionId } : {}),
  };
}
