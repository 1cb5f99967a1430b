import { Type } from 'typebox';
import { described, SECURED, Uuid } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import { ANSWER_HEADERS, COMMAND_HEADERS, TraceId, acceptedAnswer, commandProblems, commandRequest } from './command-route.ts';
import type { Commands } from './ports.ts';

const Path = Type.Object({ id: Uuid }, { additionalProperties: false });
const Answer = Type.Object({ trace_id: TraceId });
const NoQuery = Type.Object({}, { additionalProperties: false });

export function addDeleteImage(app: ApiServer, commands: Commands): void {
  const schema = {
    operationId: 'deleteImage',
    tags: ['images'],
    summary: 'Delete one of your images',
    description: 'The scans of the image stay. Deleting it again is accepted and changes nothing.',
    security: SECURED,
    headers: COMMAND_HEADERS,
    params: Path,
    querystring: NoQuery,
    response: { 202: described(Answer, 'Committed', ANSWER_HEADERS), ...commandProblems('resource-not-found') },
  };
  app.delete('/images/:id', { schema, config: { rateClass: 'command' } }, async (request, reply) => {
    const command = { imageId: request.params.id.toLowerCase(), ...commandRequest(request) };
    return reply.code(202).send(acceptedAnswer(reply, await commands.deleteImage(command, request.context.trace)));
  });
}
