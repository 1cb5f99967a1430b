import { Type } from 'typebox';
import { commonProblems, described, SECURED, Timestamp, TRACE_HEADERS, Uuid } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import { answerRead } from './answer-read.ts';
import type { Queries } from './query-ports.ts';
import { HttpProblem } from './problem.ts';
import { userOf } from './user-of.ts';

const LIMIT_DEFAULT = 50;
const Page = Type.Object(
  {
    before: Type.Optional(Type.String({ format: 'uuid', description: 'The id of the last one of the page before' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: LIMIT_DEFAULT })),
  },
  { additionalProperties: false },
);
const Path = Type.Object({ id: Uuid }, { additionalProperties: false });
const Headers = Type.Object(TRACE_HEADERS);

const optional = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) => Type.Union([type, Type.Null()]);
const More = Type.Boolean({ description: 'True when at least one more follows' });
const CONVERSATION = {
  session_id: Uuid,
  status: Type.Enum(['open', 'ended']),
  started_at: Timestamp,
  last_message_at: optional(Timestamp),
  ended_at: optional(Timestamp),
};
const Message = Type.Object({
  message_id: Uuid,
  author: Type.Enum(['user', 'assistant']),
  kind: Type.Enum(['text', 'image']),
  text: optional(Type.String()),
  image_url: optional(Type.String()),
  reply_to: Type.Union([Uuid, Type.Null()], { description: 'Of an answer: the message that it answers' }),
  failure_reason: Type.Union([Type.String(), Type.Null()], { description: 'Why there is no real answer; the text says so' }),
  created_at: Timestamp,
});
const Conversations = Type.Object({
  conversations: Type.Array(Type.Object(CONVERSATION), { description: 'The one started last first' }),
  more: More,
});
const Conversation = Type.Object({ ...CONVERSATION, messages: Type.Array(Message, { description: 'The newest first' }), more: More });

export function addChatQueries(app: ApiServer, queries: Queries): void {
  const common = { tags: ['chat'], security: SECURED, headers: Headers, querystring: Page };
  const config = { rateClass: 'query' } as const;

  const list = {
    ...common,
    operationId: 'conversations',
    summary: 'Your conversations',
    response: { 200: described(Conversations, 'One page'), ...commonProblems() },
  };
  app.get('/chat/conversations', { schema: list, config }, async (request, reply) => {
    const page = pageOf(request.query);
    const { conversations, more } = answerRead(request, reply, await queries.conversationsOf(userOf(request), page));
    return { conversations: [...conversations], more };
  });

  const one = {
    ...common,
    operationId: 'conversation',
    summary: 'One of your conversations with its messages',
    params: Path,
    response: { 200: described(Conversation, 'One page of its messages'), ...commonProblems('resource-not-found') },
  };
  app.get('/chat/conversations/:id', { schema: one, config }, async (request, reply) => {
    const read = await queries.conversation(userOf(request), request.params.id.toLowerCase(), pageOf(request.query));
    const found = answerRead(request, reply, read);
    if (found === undefined) throw new HttpProblem('resource-not-found', { detail: 'You have no conversation with this id.' });
    return { ...found, messages: [...found.messages] };
  });
}

function pageOf({ before, limit = LIMIT_DEFAULT }: { readonly before?: string; readonly limit?: number }) {
  return { before: before?.toLowerCase(), limit };
}
