import { Type } from 'typebox';
import { described, SECURED, Uuid } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import { ANSWER_HEADERS, COMMAND_HEADERS, TraceId, acceptedAnswer, bodyProblems, commandRequest } from './command-route.ts';
import { ImageUrl, imageUrl } from './image-url.ts';
import type { Commands, RegisterableUpload, Uploads } from './ports.ts';
import { offeredUploads } from './presign-upload.ts';
import { HttpProblem } from './problem.ts';
import { InvalidInput } from './validation.ts';

const Body = Type.Object(
  {
    cdn_url: Type.Optional(ImageUrl),
    key: Type.Optional(
      Type.String({ minLength: 1, maxLength: 256, description: 'Of an upload that was granted to you by POST /images/presigned-url' }),
    ),
  },
  { additionalProperties: false, description: 'The image by its address, or by the key of its upload; one of the two' },
);

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

export function addRegisterImage(app: ApiServer, prefix: string, commands: Commands, uploads: Uploads | undefined): void {
  const schema = {
    operationId: 'registerImage',
    tags: ['images'],
    summary: 'Register an image and have it classified',
    description:
      'Accepted as soon as the command is committed; what follows (classification, reward, profile, notification) runs behind it. Follow links.scan for the result. ' +
      'An upload is registered once, by whom it was granted to, before it expires.',
    security: SECURED,
    headers: COMMAND_HEADERS,
    body: Body,
    response: {
      202: described(Answer, 'Committed: nothing that was accepted is lost', ACCEPTED_HEADERS),
      ...bodyProblems('resource-not-found', 'refused', 'not-offered'),
    },
  };

  app.post('/images/register', { schema, config: { rateClass: 'command' } }, async (request, reply) => {
    const image = imageOf(request.body);
    const command = commandRequest(request);
    const { trace } = request.context;
    const outcome =
      image.kind === 'address'
        ? await commands.registerImage({ cdnUrl: image.cdnUrl, ...command }, trace)
        : await commands.registerUpload({ ...uploadOf(image.key, command.userId, uploads), ...command }, trace);
    const answer = acceptedAnswer(reply, outcome);
    const scan = `${prefix}/scans/${answer.scan_id}`;
    return reply
      .code(202)
      .header('location', scan)
      .send({ ...answer, links: { scan, characters: `${prefix}/characters/me` } });
  });
}

type NamedImage = { readonly kind: 'address'; readonly cdnUrl: string } | { readonly kind: 'upload'; readonly key: string };

/** @throws InvalidInput naming the field. */
function imageOf({ cdn_url, key }: { readonly cdn_url?: string; readonly key?: string }): NamedImage {
  if (cdn_url !== undefined && key !== undefined) throw new InvalidInput([{ field: 'key', message: 'must not stand beside cdn_url' }]);
  if (cdn_url !== undefined) return { kind: 'address', cdnUrl: imageUrl('cdn_url', cdn_url) };
  if (key !== undefined) return { kind: 'upload', key };
  throw new InvalidInput([{ field: 'cdn_url', message: 'is required without key' }]);
}

/** @throws HttpProblem for a key that was not granted to the user, whoever else may have it. */
function uploadOf(key: string, userId: string, uploads: Uploads | undefined): RegisterableUpload {
  const upload = offeredUploads(uploads).read(key, userId);
  if (upload !== undefined) return upload;
  throw new HttpProblem('resource-not-found', { detail: 'No upload with this key was granted to you.', reason: 'upload_not_found' });
}
