import { Type } from 'typebox';
import { answerRead } from './answer-read.ts';
import { commonProblems, described, SECURED, Timestamp, TRACE_HEADERS } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import type { Queries } from './ports.ts';
import { userOf } from './user-of.ts';

const Profile = Type.Object({
  user_id: Type.String(),
  total_characters: Type.Integer({ description: 'That you own now' }),
  last_character: Type.Union([Type.Object({ id: Type.String(), name: Type.Union([Type.String(), Type.Null()]) }), Type.Null()], {
    description: 'The one acquired last; null before the first',
  }),
  preferences: Type.Record(Type.String(), Type.String()),
  updated_at: Type.Union([Timestamp, Type.Null()], { description: 'null: nothing has changed since you are here' }),
});
const NoQuery = Type.Object({}, { additionalProperties: false });

export function addProfile(app: ApiServer, queries: Queries): void {
  const schema = {
    operationId: 'profile',
    tags: ['profile'],
    summary: 'Your profile: statistics and preferences',
    security: SECURED,
    headers: Type.Object(TRACE_HEADERS),
    querystring: NoQuery,
    response: { 200: described(Profile, 'The profile as it is now'), ...commonProblems() },
  };
  app.get('/profile/me', { schema, config: { rateClass: 'query' } }, async (request, reply) => {
    const { preferences, ...profile } = answerRead(request, reply, await queries.profile(userOf(request)));
    return { ...profile, preferences: { ...preferences } };
  });
}
