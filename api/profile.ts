import { Type } from 'typebox';
import { answerRead } from './answer-read.ts';
import { commonProblems, described, SECURED, Timestamp, TRACE_HEADERS } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import type { Queries } from './query-ports.ts';
import { userOf } from './user-of.ts';

const STATISTICS = {
  user_id: Type.String(),
  total_characters: Type.Integer({ description: 'That are owned now' }),
  last_character: Type.Union([Type.Object({ id: Type.String(), name: Type.Union([Type.String(), Type.Null()]) }), Type.Null()], {
    description: 'The one acquired last; null before the first',
  }),
};
const Profile = Type.Object({
  ...STATISTICS,
  preferences: Type.Record(Type.String(), Type.String()),
  updated_at: Type.Union([Timestamp, Type.Null()], { description: 'null: nothing has changed since you are here' }),
});
const LIMIT_DEFAULT = 20;
const Search = Type.Object(
  {
    q: Type.String({
      pattern: '^[A-Za-z0-9._~@|+=-]{2,64}$',
      description: "How the user's id begins, in any case of letters; 2 characters at least",
    }),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: LIMIT_DEFAULT })),
  },
  { additionalProperties: false },
);
const Found = Type.Object({ profiles: Type.Array(Type.Object(STATISTICS), { description: 'By the id of their user' }) });
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
  const search = {
    operationId: 'searchProfiles',
    tags: ['profile'],
    summary: 'Profiles of users by how their id begins',
    description: 'Users who own, or owned, a character. Preferences are shown to nobody else.',
    security: SECURED,
    headers: Type.Object(TRACE_HEADERS),
    querystring: Search,
    response: { 200: described(Found, 'At most as many as asked for'), ...commonProblems() },
  };
  app.get('/profiles/search', { schema: search, config: { rateClass: 'query' } }, async (request, reply) => {
    const { q, limit = LIMIT_DEFAULT } = request.query;
    const found = answerRead(request, reply, await queries.searchProfiles(q, limit));
    return { profiles: [...found] };
  });
}
