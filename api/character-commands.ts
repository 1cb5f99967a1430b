import { Type } from 'typebox';
import { described, SECURED, Uuid } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import { ANSWER_HEADERS, COMMAND_HEADERS, TraceId, acceptedAnswer, commandProblems, commandRequest } from './command-route.ts';
import type { Commands } from './ports.ts';

const Path = Type.Object({ id: Uuid }, { additionalProperties: false });
const NoQuery = Type.Object({}, { additionalProperties: false });
const links = Type.Object({ characters: Type.String({ description: 'Where it shows, a moment later' }) });

const Evolved = Type.Object({
  character_id: Type.String({ description: 'The form that it has now' }),
  character_name: Type.String(),
  evolution_level: Type.Integer({ description: 'The level reached; the first evolution is 1' }),
  trace_id: TraceId,
  links,
});

const REASON_DEFAULT = 'deleted';
const LossQuery = Type.Object(
  { reason: Type.Optional(Type.Enum(['deleted', 'traded'], { default: REASON_DEFAULT, description: 'Why you give it up' })) },
  { additionalProperties: false },
);
const Lost = Type.Object({ trace_id: TraceId, links });

export function addCharacterCommands(app: ApiServer, prefix: string, commands: Commands): void {
  const characters = `${prefix}/characters/me`;
  const evolve = {
    operationId: 'evolveCharacter',
    tags: ['characters'],
    summary: 'Turn one of your characters into its next form',
    security: SECURED,
    headers: COMMAND_HEADERS,
    params: Path,
    querystring: NoQuery,
    response: { 202: described(Evolved, 'Committed', ANSWER_HEADERS), ...commandProblems('resource-not-found', 'refused') },
  };
  app.post('/characters/:id/evolve', { schema: evolve, config: { rateClass: 'command' } }, async (request, reply) => {
    const command = { characterId: request.params.id.toLowerCase(), ...commandRequest(request) };
    const answer = acceptedAnswer(reply, await commands.evolveCharacter(command, request.context.trace));
    return reply.code(202).send({ ...answer, links: { characters } });
  });

  const lose = {
    operationId: 'loseCharacter',
    tags: ['characters'],
    summary: 'Give one of your characters up',
    security: SECURED,
    headers: COMMAND_HEADERS,
    params: Path,
    querystring: LossQuery,
    response: { 202: described(Lost, 'Committed', ANSWER_HEADERS), ...commandProblems('resource-not-found') },
  };
  app.delete('/characters/:id', { schema: lose, config: { rateClass: 'command' } }, async (request, reply) => {
    const { reason = REASON_DEFAULT } = request.query;
    const command = { characterId: request.params.id.toLowerCase(), reason, ...commandRequest(request) };
    const answer = acceptedAnswer(reply, await commands.loseCharacter(command, request.context.trace));
    return reply.code(202).send({ ...answer, links: { characters } });
  });
}
