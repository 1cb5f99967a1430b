import { Type } from 'typebox';
import { described, SECURED, Uuid } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import {
  ANSWER_HEADERS,
  COMMAND_HEADERS,
  TraceId,
  acceptedAnswer,
  bodyProblems,
  commandProblems,
  commandRequest,
} from './command-route.ts';
import { ImageUrl, imageUrl } from './image-url.ts';
import type { Commands, MessageContent } from './ports.ts';
import { storableText } from './storable-text.ts';
import { InvalidInput } from './validation.ts';

const Path = Type.Object({ id: Uuid }, { additionalProperties: false });
const NoQuery = Type.Object({}, { additionalProperties: false });
const links = Type.Object({ conversation: Type.String({ description: 'Its messages and their answers' }) });
const Started = Type.Object({ session_id: Uuid, trace_id: TraceId, links });
const Ended = Type.Object({ trace_id: TraceId, links });

const Message = Type.Object(
  {
    text: Type.Optional(Type.String({ minLength: 1, maxLength: 8_000, description: 'What you want to know' })),
    image_url: Type.Optional(ImageUrl),
  },
  { additionalProperties: false, description: 'A text, an image, or an image with a text' },
);
const Posted = Type.Object({
  message_id: Uuid,
  answer_id: Type.String({ format: 'uuid', description: 'The id that the answer will have' }),
  trace_id: TraceId,
  links,
});

export function addChatCommands(app: ApiServer, prefix: string, commands: Commands): void {
  const linksOf = (id: string) => ({ conversation: `${prefix}/chat/conversations/${id}` });
  const common = { tags: ['chat'], security: SECURED, headers: COMMAND_HEADERS };
  const config = { rateClass: 'command' } as const;

  const start = {
    ...common,
    operationId: 'startConversation',
    summary: 'Begin a conversation with the assistant',
    querystring: NoQuery,
    response: { 202: described(Started, 'Committed', ANSWER_HEADERS), ...commandProblems() },
  };
  app.post('/chat/conversations', { schema: start, config }, async (request, reply) => {
    const answer = acceptedAnswer(reply, await commands.startConversation(commandRequest(request), request.context.trace));
    return reply.code(202).send({ ...answer, links: linksOf(answer.session_id) });
  });

  const post = {
    ...common,
    operationId: 'postMessage',
    summary: 'Ask the assistant',
    description:
      'The answer follows behind the request, as a message of the conversation with the id answer_id. Of one conversation a few messages may wait for ' +
      'their answers; beyond that the answer is 409.',
    params: Path,
    body: Message,
    response: {
      202: described(Posted, 'Committed: the message will be answered', ANSWER_HEADERS),
      ...bodyProblems('resource-not-found', 'refused'),
    },
  };
  app.post('/chat/conversations/:id/messages', { schema: post, config }, async (request, reply) => {
    const sessionId = request.params.id.toLowerCase();
    const command = { sessionId, ...contentOf(request.body), ...commandRequest(request) };
    const answer = acceptedAnswer(reply, await commands.postMessage(command, request.context.trace));
    return reply.code(202).send({ ...answer, links: linksOf(sessionId) });
  });

  const end = {
    ...common,
    operationId: 'endConversation',
    summary: 'End a conversation',
    description: 'It can still be read. What is not answered yet stays so. Ending it again is accepted and changes nothing.',
    params: Path,
    querystring: NoQuery,
    response: { 202: described(Ended, 'Committed', ANSWER_HEADERS), ...commandProblems('resource-not-found') },
  };
  app.delete('/chat/conversations/:id', { schema: end, config }, async (request, reply) => {
    const sessionId = request.params.id.toLowerCase();
    const answer = acceptedAnswer(reply, await commands.endConversation({ sessionId, ...commandRequest(request) }, request.context.trace));
    return reply.code(202).send({ ...answer, links: linksOf(sessionId) });
  });
}

function contentOf({ text, image_url }: { readonly text?: string; readonly image_url?: string }): MessageContent {
  if (text === undefined && image_url === undefined) throw new InvalidInput([{ field: 'text', message: 'is required without image_url' }]);
  return {
    text: text === undefined ? undefined : storableText('text', text),
    imageUrl: image_url === undefined ? undefined : imageUrl('image_url', image_url),
  };
}
