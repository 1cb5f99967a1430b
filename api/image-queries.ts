import { Type } from 'typebox';
import { answerRead } from './answer-read.ts';
import { commonProblems, described, SECURED, Timestamp, TRACE_HEADERS, Uuid } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import type { Queries } from './query-ports.ts';
import { userOf } from './user-of.ts';

const LIMIT_DEFAULT = 20;
const Query = Type.Object(
  { limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: LIMIT_DEFAULT })) },
  { additionalProperties: false },
);
const Images = Type.Object({
  images: Type.Array(
    Type.Object({
      image_id: Uuid,
      cdn_url: Type.String(),
      status: Type.Enum(['registered', 'processed'], { description: '`processed`: its derived forms are ready' }),
      registered_at: Timestamp,
      processed_at: Type.Union([Timestamp, Type.Null()]),
    }),
    { description: 'The one registered last first; deleted ones are left out' },
  ),
});

export function addImageQueries(app: ApiServer, queries: Queries): void {
  const schema = {
    operationId: 'recentImages',
    tags: ['images'],
    summary: 'Your images that were registered last',
    security: SECURED,
    headers: Type.Object(TRACE_HEADERS),
    querystring: Query,
    response: { 200: described(Images, 'At most as many as asked for'), ...commonProblems() },
  };
  app.get('/images/recent', { schema, config: { rateClass: 'query' } }, async (request, reply) => {
    const { limit = LIMIT_DEFAULT } = request.query;
    const images = answerRead(request, reply, await queries.recentImages(userOf(request), limit));
    return { images: [...images] };
  });
}
