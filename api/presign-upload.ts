import { Type } from 'typebox';
import { commonProblems, described, SECURED, Timestamp, TRACE_HEADERS } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import type { Uploads } from './ports.ts';
import { HttpProblem } from './problem.ts';
import { userOf } from './user-of.ts';
import { InvalidInput } from './validation.ts';

const Body = Type.Object(
  {
    filename: Type.String({
      minLength: 1,
      maxLength: 255,
      // No path, and nothing that cannot be seen.
      pattern: '^[^/\\\\\\u0000-\\u001f\\u007f]+$',
      description: 'The name of the file, without a folder; its ending must be one of its content type',
    }),
    content_type: Type.String({ minLength: 1, maxLength: 64, description: 'Such as image/jpeg; the upload must send exactly this' }),
    content_length: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Bytes. When it is given, the store takes an upload of exactly this length and no other' }),
    ),
  },
  { additionalProperties: false },
);

const Presigned = Type.Object({
  upload_url: Type.String({ description: 'Send the image there by PUT, with the headers of this answer and nothing of this API' }),
  key: Type.String({ description: 'For POST /images/register, once the image is there' }),
  expires_at: Timestamp,
  headers: Type.Record(Type.String(), Type.String(), { description: 'Headers that the PUT must send with these values' }),
});

export function addPresignUpload(app: ApiServer, uploads: Uploads | undefined): void {
  const schema = {
    operationId: 'presignUpload',
    tags: ['images'],
    summary: 'Get an address to which you may upload an image',
    description:
      'The image goes straight to the store, not through this API. Both the upload and its registration must happen before expires_at; ' +
      'only you can register it, and only once.',
    security: SECURED,
    headers: Type.Object(TRACE_HEADERS),
    body: Body,
    response: {
      200: described(Presigned, 'Granted for 15 minutes'),
      ...commonProblems('malformed-request', 'body-too-large', 'unsupported-media-type', 'not-offered'),
    },
  };
  app.post('/images/presigned-url', { schema, config: { rateClass: 'command' } }, async (request) => {
    const store = offeredUploads(uploads);
    const { filename, content_type: contentType, content_length: bytes } = request.body;
    const granted = await store.grant({
      userId: userOf(request),
      contentType,
      ending: endingOf(filename, contentType, store),
      bytes: bytesOf(bytes, store),
    });
    return { upload_url: granted.uploadUrl, key: granted.key, expires_at: granted.expiresAt, headers: { ...granted.headers } };
  });
}

/** @throws HttpProblem that says what to configure. */
export function offeredUploads(uploads: Uploads | undefined): Uploads {
  if (uploads !== undefined) return uploads;
  throw new HttpProblem('not-offered', {
    detail: 'No store for uploads is configured (UPLOAD_ENDPOINT and the settings beside it). Register images by cdn_url.',
  });
}

/** @throws InvalidInput naming the field. */
function endingOf(filename: string, contentType: string, { formats }: Uploads): string {
  const endings = Object.hasOwn(formats, contentType) ? formats[contentType] : undefined;
  if (endings === undefined) {
    throw new InvalidInput([{ field: 'content_type', message: `must be one of ${Object.keys(formats).join(', ')}` }]);
  }
  const ending = endings.find((each) => filename.toLowerCase().endsWith(`.${each}`) && filename.length > each.length + 1);
  if (ending === undefined) {
    throw new InvalidInput([
      { field: 'filename', message: `must end in ${endings.map((each) => `.${each}`).join(' or ')} for ${contentType}` },
    ]);
  }
  return ending;
}

/** @throws InvalidInput naming the field. */
function bytesOf(bytes: number | undefined, { bytesMax }: Uploads): number | undefined {
  if (bytes !== undefined && bytes > bytesMax) {
    throw new InvalidInput([{ field: 'content_length', message: `must be at most ${bytesMax}` }]);
  }
  return bytes;
}
