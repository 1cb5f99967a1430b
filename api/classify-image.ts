import { Type } from 'typebox';
import { described, SECURED, Uuid } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import { ANSWER_HEADERS, COMMAND_HEADERS, TraceId, acceptedAnswer, bodyProblems, commandRequest } from './command-route.ts';
import { ImageUrl, imageUrl } from './image-url.ts';
import type { Commands } from './ports.ts';
import { storableText } from './storable-text.ts';

const Body = Type.Object(
  {
    image_url: ImageUrl,
    user_input: Type.Optional(Type.String({ minLength: 1, maxLength: 1000, description: 'What you know about the image' })),
  },
  { additionalProperties: false },
);

const Answer = Type.Object({
  task_id: Uuid,
  status: Type.Enum(['requested']),
  message: Type.String(),
  trace_id: TraceId,
  links: Type.Object({
    scan: Type.String({ description: 'The scan; its id is the task id' }),
    task: Type.String({ description: 'How it stands' }),
  }),
});

export function addClassifyImage(app: ApiServer, prefix: string, commands: Commands): void {
  const schema = {
    operationId: 'classifyImage',
    tags: ['scans'],
    summary: 'Have an image classified by its address',
    description:
      'Accepted as soon as the command is committed. Follow links.scan for the result; a reward follows as for a registered image.',
    security: SECURED,
    headers: COMMAND_HEADERS,
    body: Body,
    response: {
      202: described(Answer, 'Committed: the scan will end as completed or failed', {
        location: { type: 'string', description: 'The scan: links.scan' },
        ...ANSWER_HEADERS,
      }),
      ...bodyProblems(),
    },
  };
  app.post('/scan/classify', { schema, config: { rateClass: 'command' } }, async (request, reply) => {
    const { image_url, user_input } = request.body;
    const userInput = user_input === undefined ? undefined : storableText('user_input', user_input);
    const command = { imageUrl: imageUrl('image_url', image_url), userInput, ...commandRequest(request) };
    const { task_id, trace_id } = acceptedAnswer(reply, await commands.requestScan(command, request.context.trace));
    const links = { scan: `${prefix}/scans/${task_id}`, task: `${prefix}/scan/tasks/${task_id}` };
    return reply
      .code(202)
      .header('location', links.scan)
      .send({ task_id, status: 'requested', message: 'The image will be classified.', trace_id, links });
  });
}
