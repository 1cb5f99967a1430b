import { Type } from 'typebox';
import { LETTER_CODES } from '../core/errors.ts';
import type { ApiServer } from './api-route.ts';
import { commonProblems, described, SECURED, TRACE_HEADERS } from './api-route.ts';
import { acceptedAnswer, ANSWER_HEADERS, bodyProblems, COMMAND_HEADERS, commandRequest } from './command-route.ts';
import type { DeadLetterQueues } from './ports.ts';
import { HttpProblem } from './problem.ts';
import { OPERATOR, requireOperator } from './require-operator.ts';

const COUNT_DEFAULT = 10;
const COUNT_MAX = 1_000;

const Queue = Type.Object({
  queue: Type.String({ description: 'The dead-letter topic' }),
  group: Type.String({ description: 'The consumer group, or `capture.<domain>`' }),
  replayable: Type.Boolean({ description: 'False for the letters of a capture: they never were records' }),
  open: Type.Integer({ description: 'Letters that nobody has handled' }),
  archived: Type.Integer({ description: 'Neither, and old enough to be in the archive' }),
});
const Reprocess = Type.Object(
  {
    queue: Type.String({ minLength: 1, maxLength: 249, description: 'The dead-letter topic' }),
    count: Type.Optional(
      Type.Integer({ minimum: 1, maximum: COUNT_MAX, default: COUNT_DEFAULT, description: 'So many letters at most, the oldest first' }),
    ),
    filter_reason: Type.Optional(Type.Enum([...LETTER_CODES], { description: 'Only letters with this error code' })),
  },
  { additionalProperties: false },
);

/** The operator's view of what could not be handled, and the way to give it back. */
export function addDeadLetterRoutes(app: ApiServer, deadLetters: DeadLetterQueues): void {
  const common = { tags: ['operators'], security: SECURED, headers: Type.Object(TRACE_HEADERS) };

  const list = {
    ...common,
    operationId: 'listDeadLetterQueues',
    summary: 'The dead-letter queues, and how many letters wait in each',
    description: `Only with the permission ${OPERATOR}.`,
    response: { 200: described(Type.Object({ queues: Type.Array(Queue) }), 'The queues'), ...commonProblems('forbidden') },
  };
  app.get('/admin/dlq', { schema: list, config: { rateClass: 'query' } }, async (request) => {
    requireOperator(request);
    return { queues: [...(await deadLetters.list())] };
  });

  const reprocess = {
    ...common,
    operationId: 'reprocessDeadLetters',
    summary: 'Give dead letters back to the group that could not handle them',
    description:
      `Only with the permission ${OPERATOR}. Letters that nobody has handled, in the order of their events; a letter is given back once. ` +
      'Letters whose event is older than the inbox remembers are left out. Each one is audited with the subject of the token. ' +
      'With an Idempotency-Key a repetition gets the first answer, and one that was cut off goes on: never more letters than were asked for.',
    headers: COMMAND_HEADERS,
    body: Reprocess,
    response: {
      200: described(Type.Object({ reprocessed: Type.Integer() }), 'Durably given back: the group handles them soon', ANSWER_HEADERS),
      ...bodyProblems('forbidden', 'resource-not-found', 'refused'),
    },
  };
  app.post('/admin/dlq/reprocess', { schema: reprocess, config: { rateClass: 'command' } }, async (request, reply) => {
    requireOperator(request);
    const { queue, count = COUNT_DEFAULT, filter_reason: errorCode } = request.body;
    const { userId: actor, idempotencyKey, requestHash } = commandRequest(request);
    const outcome = await deadLetters.reprocess({ queue, count, errorCode, actor, idempotencyKey, requestHash });
    switch (outcome.kind) {
      case 'reprocessed':
        if (outcome.isRepeated) reply.header('idempotency-replayed', 'true');
        return { reprocessed: outcome.letters };
      case 'mismatch':
        return acceptedAnswer(reply, { kind: 'mismatch' });
      case 'in-progress':
        throw new HttpProblem('refused', {
          detail: 'The request of this Idempotency-Key is being worked on; send it again in a moment.',
          reason: 'request_in_progress',
        });
      case 'unknown-queue':
        throw new HttpProblem('resource-not-found', { detail: 'There is no such queue; GET /api/v1/admin/dlq lists them.' });
      case 'too-many':
        throw new HttpProblem('refused', {
          detail: 'More letters fit than a request can put in order: name a filter_reason, or use `millrace dlt replay`.',
          reason: 'too_many_letters',
        });
      case 'not-replayable':
        throw new HttpProblem('refused', {
          detail: 'These letters are rows that never became records: their domain has to write them again.',
          reason: 'capture_letters_are_not_replayed',
        });
    }
  });
}
