import { Type } from 'typebox';
import { answerRead } from './answer-read.ts';
import { commonProblems, described, SECURED, Timestamp, TRACE_HEADERS, Uuid } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import type { Queries } from './query-ports.ts';
import { HttpProblem } from './problem.ts';
import { userOf } from './user-of.ts';

const Task = Type.Object({
  task_id: Uuid,
  scan_id: Uuid,
  status: Type.Enum(['requested', 'completed', 'failed'], { description: 'completed and failed are final: the scan says the rest' }),
  created_at: Timestamp,
});
const Path = Type.Object({ id: Uuid }, { additionalProperties: false });
const NoQuery = Type.Object({}, { additionalProperties: false });

/** How long a client that polls for a result should wait between two looks. */
const POLL_SECONDS = 1;

export function addScanTask(app: ApiServer, queries: Queries): void {
  const schema = {
    operationId: 'scanTask',
    tags: ['scans'],
    summary: 'How a classification that you asked for stands',
    description: 'A task that is still requested is answered with Retry-After. It is there from the moment at which it was accepted.',
    security: SECURED,
    headers: Type.Object(TRACE_HEADERS),
    params: Path,
    querystring: NoQuery,
    response: { 200: described(Task, 'The task'), ...commonProblems('resource-not-found') },
  };
  app.get('/scan/tasks/:id', { schema, config: { rateClass: 'query' } }, async (request, reply) => {
    const task = answerRead(request, reply, await queries.scanTask(userOf(request), request.params.id.toLowerCase()));
    if (task === undefined) throw new HttpProblem('resource-not-found', { detail: 'You have no task with this id.' });
    if (task.status === 'requested') reply.header('retry-after', POLL_SECONDS);
    return task;
  });
}
