import { Type } from 'typebox';
import { answerRead } from './answer-read.ts';
import { commonProblems, described, SECURED, Timestamp, TRACE_HEADERS, Uuid } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import type { Queries, ScanPage } from './query-ports.ts';
import { HttpProblem } from './problem.ts';
import { readCursor, writeCursor } from './scan-cursor.ts';
import { readPeriod } from './scan-period.ts';
import { userOf } from './user-of.ts';

const SCAN_FIELDS = {
  scan_id: Uuid,
  image_id: Type.Union([Uuid, Type.Null()]),
  status: Type.Enum(['requested', 'completed', 'failed']),
  category: Type.Union([Type.String(), Type.Null()]),
  confidence: Type.Union([Type.Number({ description: '0 to 1' }), Type.Null()]),
  reward_eligible: Type.Boolean(),
  reward_status: Type.Union([Type.Enum(['pending', 'granted', 'none', 'failed']), Type.Null()], {
    description: '`pending` becomes `granted` or `failed`; `none`: not eligible; null: not decided yet',
  }),
  failure_reason: Type.Union([Type.String(), Type.Null()], { description: 'Why the scan or its reward failed' }),
};
const Scan = Type.Object({ ...SCAN_FIELDS, completed_at: Type.Union([Timestamp, Type.Null()]) });
const FinishedScan = Type.Object({ ...SCAN_FIELDS, completed_at: Timestamp });

const DAY_OR_MOMENT = 'A date-time with its offset, or a date: the whole day in the time zone of the pipeline.';
const LIMIT_DEFAULT = 20;
const ScansQuery = Type.Object(
  {
    from: Type.Optional(Type.String({ maxLength: 40, description: `The earliest, inclusive. ${DAY_OR_MOMENT}` })),
    to: Type.Optional(Type.String({ maxLength: 40, description: `The end: a moment is exclusive, a day inclusive. ${DAY_OR_MOMENT}` })),
    category: Type.Optional(Type.String({ minLength: 1, maxLength: 64, pattern: '^[^\\u0000-\\u001f\\u007f]+$' })),
    cursor: Type.Optional(
      Type.String({ minLength: 1, maxLength: 256, description: 'next_cursor of the page before, with the same filters' }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: LIMIT_DEFAULT })),
  },
  { additionalProperties: false },
);

const Scans = Type.Object({
  scans: Type.Array(FinishedScan, { description: 'Completed and failed ones, the newest first' }),
  next_cursor: Type.Union([Type.String(), Type.Null()], { description: 'null: this is the last page' }),
});

const NoQuery = Type.Object({}, { additionalProperties: false });
const ScanPath = Type.Object({ id: Uuid }, { additionalProperties: false });
const Headers = Type.Object(TRACE_HEADERS);

/** How long a client that polls for a result should wait between two looks. */
const POLL_SECONDS = 1;

export function addScans(app: ApiServer, queries: Queries, timeZone: string): void {
  const list = {
    operationId: 'scans',
    tags: ['scans'],
    summary: 'Your scans, by date and category',
    security: SECURED,
    headers: Headers,
    querystring: ScansQuery,
    response: { 200: described(Scans, 'One page'), ...commonProblems() },
  };
  app.get('/scans/me', { schema: list, config: { rateClass: 'query' } }, async (request, reply) => {
    const { category, cursor, limit = LIMIT_DEFAULT } = request.query;
    const after = cursor === undefined ? undefined : readCursor(cursor);
    const period = readPeriod(request.query, timeZone);
    const page = answerRead(request, reply, await queries.scansOf(userOf(request), { ...period, category, after, limit }));
    return { scans: [...page.scans], next_cursor: nextCursor(page) };
  });

  const one = {
    operationId: 'scan',
    tags: ['scans'],
    summary: 'One of your scans',
    description:
      'Until the scan is known, and for an id that is not yours, the answer is 404 with Retry-After: a client that follows links.scan of a ' +
      'registration asks again after that many seconds, and gives up after a time of its own choice. A scan whose status is requested is ' +
      'answered with Retry-After too; completed and failed are final, while reward_status may still change from pending.',
    security: SECURED,
    headers: Headers,
    params: ScanPath,
    querystring: NoQuery,
    response: { 200: described(Scan, 'The scan as far as it is known'), ...commonProblems('scan-not-found') },
  };
  app.get('/scans/:id', { schema: one, config: { rateClass: 'query' } }, async (request, reply) => {
    const scan = answerRead(request, reply, await queries.scan(userOf(request), request.params.id.toLowerCase()));
    if (scan?.status === 'requested') reply.header('retry-after', POLL_SECONDS);
    if (scan !== undefined) return scan;
    throw new HttpProblem('scan-not-found', {
      detail: 'You have no scan with this id. If it was accepted a moment ago it is still being processed: ask again after Retry-After.',
      headers: { 'retry-after': POLL_SECONDS.toString() },
    });
  });
}

function nextCursor(page: ScanPage): string | null {
  const last = page.scans.at(-1);
  return page.more && last !== undefined ? writeCursor({ completedAt: last.completed_at, scanId: last.scan_id }) : null;
}
