import { Type } from 'typebox';
import { described, SECURED } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import { ANSWER_HEADERS, COMMAND_HEADERS, TraceId, acceptedAnswer, bodyProblems, commandRequest } from './command-route.ts';
import type { Commands } from './ports.ts';
import { storableText } from './storable-text.ts';
import { InvalidInput } from './validation.ts';

const NAME = /^[a-z][a-z0-9_.-]{0,63}$/;
const CHANGES_MAX = 64;

/** A merge patch (RFC 7396): only what is named changes, null takes away. */
const Body = Type.Record(Type.String(), Type.Union([Type.String({ maxLength: 256 }), Type.Null()]), {
  minProperties: 1,
  maxProperties: CHANGES_MAX,
  description: `New value by name, null takes one away; names match ${NAME.source}`,
});

const Answer = Type.Object({
  preferences: Type.Record(Type.String(), Type.String(), { description: 'All of them, as they are now' }),
  trace_id: TraceId,
});

export function addPreferences(app: ApiServer, commands: Commands): void {
  const schema = {
    operationId: 'changePreferences',
    tags: ['profile'],
    summary: 'Change some of your preferences',
    security: SECURED,
    headers: COMMAND_HEADERS,
    body: Body,
    response: { 202: described(Answer, 'Committed', ANSWER_HEADERS), ...bodyProblems('refused') },
  };
  app.patch('/profile/preferences', { schema, config: { rateClass: 'command' } }, async (request, reply) => {
    const changes = checkedChanges(request.body);
    const answer = acceptedAnswer(reply, await commands.changePreferences({ changes, ...commandRequest(request) }, request.context.trace));
    return reply.code(202).send(answer);
  });
}

function checkedChanges(body: Readonly<Record<string, string | null>>): Readonly<Record<string, string | null>> {
  for (const [name, value] of Object.entries(body)) {
    if (!NAME.test(name)) throw new InvalidInput([{ field: name.slice(0, 64), message: `must have a name that matches ${NAME.source}` }]);
    if (value !== null) storableText(name, value);
  }
  return body;
}
