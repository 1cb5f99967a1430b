import { Type } from 'typebox';
import { answerRead } from './answer-read.ts';
import { commonProblems, described, SECURED, TRACE_HEADERS } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import { calendarStarts } from './calendar-starts.ts';
import type { Queries } from './query-ports.ts';
import { userOf } from './user-of.ts';

const count = (description: string) => Type.Integer({ description });
const Stats = Type.Object({
  today: count('Since midnight'),
  week: count('Since Monday'),
  month: count('Since the first'),
  time_zone: Type.String({ description: 'Whose calendar it is' }),
});
const NoQuery = Type.Object({}, { additionalProperties: false });

export function addScanStats(app: ApiServer, queries: Queries, nowMs: () => number, timeZone: string): void {
  const schema = {
    operationId: 'scanStats',
    tags: ['scans'],
    summary: 'How many of your scans ended today, this week and this month',
    description: 'Completed and failed ones, by the calendar of the pipeline.',
    security: SECURED,
    headers: Type.Object(TRACE_HEADERS),
    querystring: NoQuery,
    response: { 200: described(Stats, 'The counts'), ...commonProblems() },
  };
  app.get('/scans/stats', { schema, config: { rateClass: 'query' } }, async (request, reply) => {
    const counts = answerRead(request, reply, await queries.scanStats(userOf(request), calendarStarts(nowMs(), timeZone)));
    return { ...counts, time_zone: timeZone };
  });
}
