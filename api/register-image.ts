import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { described, SECURED, Uuid } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import { ANSWER_HEADERS, COMMAND_HEADERS, TraceId, acceptedAnswer, bodyProblems, commandRequest } from './command-route.ts';
import { ImageUrl, imageUrl } from './image-url.ts';
import type { Commands } from './ports.ts';
import { InvalidInput } from './validation.ts';

const Body = Type.Object({ cdn_url: ImageUrl }, { additionalProperties: false });

const Answer = Type.Object({
  image_id: Uuid,
  scan_id: Uuid,
  trace_id: TraceId,
  links: Type.Object({
    scan: Type.String({ description: 'Answers 404 with Retry-After until the scan is known' }),
    characters: Type.String({ description: 'Where a reward shows' }),
  }),
});

const ACCEPTED_HEADERS = {
  location: { type: 'string', description: 'The scan, once it is known: links.scan' },
  ...ANSWER_HEADERS,
};

export function addRegisterImage(app: ApiServer, prefix: string, commands: Commands): void {
  const schema = {
    operationId: 'registerImage',
    tags: ['images'],
    summary: 'Register an image and have it classified',
    description:
      'Accepted as soon as the command is committed; what follows (classification, reward, profile, notification) runs behind it. Follow links.scan for the result.',
    security: SECURED,
    headers: COMMAND_HEADERS,
    body: Body,
    response: { 202: described(Answer, 'Committed: nothing that was accepted is lost', ACCEPTED_HEADERS), ...bodyProblems() },
  };

  app.post('/images/register', { schema, config: { rateClass: 'command' }, preValidation: refuseUploadKeys }, async (request, reply) => {
    const cdnUrl = imageUrl('cdn_url', request.body.cdn_url);
    const answer = acceptedAnswer(reply, await commands.registerImage({ cdnUrl, ...commandRequest(request) }, request.context.trace));
    const scan = `${prefix}/scans/${answer.scan_id}`;
    return reply
      .code(202)
      .header('location', scan)
      .send({ ...answer, links: { scan, characters: `${prefix}/characters/me` } });
  });
}

/** `key` names an upload to a presigned URL. It is told apart from a misspelt field, so that nobody searches in vain. */
async function refuseUploadKeys(request: FastifyRequest): Promise<void> {
  const { body } = request;
  if (typeof body === 'object' && body !== null && Object.hasOwn(body, 'key')) {
    throw new InvalidInput([{ field: 'key', message: 'uploads by key are not offered yet: send cdn_url' }]);
  }
}
