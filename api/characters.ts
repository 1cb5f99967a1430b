import { Type } from 'typebox';
import { commonProblems, described, SECURED, Timestamp, TRACE_HEADERS } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import { answerRead } from './answer-read.ts';
import type { Queries } from './query-ports.ts';
import { userOf } from './user-of.ts';

const Characters = Type.Object({
  characters: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.Union([Type.String(), Type.Null()]),
      acquired_at: Timestamp,
      source: Type.String({ description: 'scan, event, purchase or evolution' }),
    }),
  ),
});

const LIMIT_DEFAULT = 100;
const RankingQuery = Type.Object(
  {
    period: Type.Optional(Type.Enum(['weekly'], { default: 'weekly' })),
    week: Type.Optional(
      Type.String({
        pattern: '^\\d{4}-W(0[1-9]|[1-4]\\d|5[0-3])$',
        description: 'ISO week such as 2026-W07; the current one when left out',
      }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: LIMIT_DEFAULT })),
  },
  { additionalProperties: false },
);

const Ranking = Type.Object({
  period: Type.Enum(['weekly']),
  week: Type.String(),
  entries: Type.Array(
    Type.Object({
      rank: Type.Integer({ description: '1 is the best; equal counts share a rank' }),
      user_id: Type.String(),
      count: Type.Integer({ description: 'Characters acquired in the week' }),
    }),
  ),
});

const NoQuery = Type.Object({}, { additionalProperties: false });
const Headers = Type.Object(TRACE_HEADERS);

export function addCharacters(app: ApiServer, queries: Queries): void {
  const owned = {
    operationId: 'ownedCharacters',
    tags: ['characters'],
    summary: 'The characters that you own',
    security: SECURED,
    headers: Headers,
    querystring: NoQuery,
    response: { 200: described(Characters, 'What you own, as far as the read model has followed'), ...commonProblems() },
  };
  app.get('/characters/me', { schema: owned, config: { rateClass: 'query' } }, async (request, reply) => {
    const characters = answerRead(request, reply, await queries.ownedCharacters(userOf(request)));
    return { characters: [...characters] };
  });

  const ranking = {
    operationId: 'characterRanking',
    tags: ['characters'],
    summary: 'Who acquired the most characters in a week',
    description: 'Weeks begin on Monday in the time zone of the pipeline.',
    security: SECURED,
    headers: Headers,
    querystring: RankingQuery,
    response: { 200: described(Ranking, 'The best first'), ...commonProblems() },
  };
  app.get('/characters/ranking', { schema: ranking, config: { rateClass: 'query' } }, async (request, reply) => {
    const { week, limit = LIMIT_DEFAULT } = request.query;
    const { week: answered, entries } = answerRead(request, reply, await queries.weeklyRanking({ week, limit }));
    return { period: 'weekly' as const, week: answered, entries: [...entries] };
  });
}
