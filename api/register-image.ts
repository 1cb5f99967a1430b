import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { commonProblems, described, SECURED, TRACE_HEADERS, Uuid } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import { IdempotencyKey, requestHash, scopedIdempotencyKey } from './idempotency-key.ts';
import type { Commands } from './ports.ts';
import { HttpProblem } from './problem.ts';
import { userOf } from './user-of.ts';
import { InvalidInput } from './validation.ts';

const Body = Type.Object(
  {
    cdn_url: Type.String({
      maxLength: 2048,
      format: 'url',
      pattern: '^[Hh][Tt][Tt][Pp][Ss]?://',
      description: 'Where the image lies: an http or https URL without user name and password',
    }),
  },
  { additionalProperties: false },
);

const Answer = Type.Object({
  image_id: Uuid,
  scan_id: Uuid,
  trace_id: Type.String({ description: 'Finds every step of the flow, from this request to the last log line' }),
  links: Type.Object({
    scan: Type.String({ description: 'Answers 404 with Retry-After until the scan is known' }),
    characters: Type.String({ description: 'Where a reward shows' }),
  }),
});

const ACCEPTED_HEADERS = {
  location: { type: 'string', description: 'The scan, once it is known: links.scan' },
  traceresponse: { type: 'string', description: 'W3C Trace Context: the trace and span of this request' },
  'x-request-id': { type: 'string' },
  'idempotency-replayed': { type: 'string', description: '`true` when this is the first answer again' },
};

export function addRegisterImage(app: ApiServer, prefix: string, commands: Commands): void {
  const route = '/images/register';
  const schema = {
    operationId: 'registerImage',
    tags: ['images'],
    summary: 'Register an image and have it classified',
    description:
      'Accepted as soon as the command is committed; what follows (classification, reward, profile, notification) runs behind it. Follow links.scan for the result.',
    security: SECURED,
    headers: Type.Object({ ...TRACE_HEADERS, 'idempotency-key': Type.Optional(IdempotencyKey) }),
    body: Body,
    response: {
      202: described(Answer, 'Committed: nothing that was accepted is lost', ACCEPTED_HEADERS),
      ...commonProblems('malformed-request', 'body-too-large', 'unsupported-media-type', 'idempotency-key-reused'),
    },
  };

  app.post(route, { schema, config: { rateClass: 'command' }, preValidation: refuseUploadKeys }, async (request, reply) => {
    const userId = userOf(request);
    const key = request.headers['idempotency-key'];
    const result = await commands.registerImage(
      {
        userId,
        cdnUrl: imageUrl(request.body.cdn_url),
        idempotencyKey: key === undefined ? undefined : scopedIdempotencyKey(`${prefix}${route}`, userId, key),
        requestHash: requestHash(request.body),
      },
      request.context.trace,
    );
    if (result.kind === 'mismatch') {
      throw new HttpProblem('idempotency-key-reused', { detail: 'Use a new key for a new request, or the same body for a repetition.' });
    }
    const scan = `${prefix}/scans/${result.answer.scan_id}`;
    if (result.kind === 'repeated') reply.header('idempotency-replayed', 'true');
    return reply
      .code(202)
      .header('location', scan)
      .send({ ...result.answer, links: { scan, characters: `${prefix}/characters/me` } });
  });
}

/** `key` names an upload to a presigned URL. It is told apart from a misspelt field, so that nobody searches in vain. */
async function refuseUploadKeys(request: FastifyRequest): Promise<void> {
  const { body } = request;
  if (typeof body === 'object' && body !== null && Object.hasOwn(body, 'key')) {
    throw new InvalidInput([{ field: 'key', message: 'uploads by key are not offered yet: send cdn_url' }]);
  }
}

/** The URL as it was sent: the classifier fetches exactly that. */
function imageUrl(text: string): string {
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') {
    throw new InvalidInput([{ field: 'cdn_url', message: 'must not hold a user name or password' }]);
  }
  // URL parsing drops, trims or replaces these; what is stored must be what was checked, and half a character cannot be stored.
  if (/[\s\p{Cc}\p{Cf}\p{Cs}]/u.test(text)) {
    throw new InvalidInput([{ field: 'cdn_url', message: 'must not hold spaces, control characters or broken ones' }]);
  }
  return text;
}
