import { z } from 'zod';
import type { Assistant } from '../../core/calls.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { utf8Text } from '../../core/record.ts';
import { answeredOrRejected } from './classify-http-answer.ts';
import { createJsonPost } from './json-post.ts';
import { isStorable } from './storable-text.ts';

const ANSWER = z.object({ text: z.string().min(1).max(20_000).refine(isStorable) });

/**
 * An assistant behind HTTP: `POST {session_id, message_id, user_id, text, image_url}` with an idempotency key and the
 * trace, answered by `{text}`. Fields that the answer has beyond it are ignored.
 */
export function createHttpAssistant(options: {
  readonly url: string;
  readonly connectionsMax: number;
}): Assistant & { stop(): Promise<void> } {
  const http = createJsonPost({ ...options, what: 'the assistant' });
  return {
    answer: async ({ sessionId, messageId, userId, text, imageUrl }, context) => {
      const question = { session_id: sessionId, message_id: messageId, user_id: userId, text: text ?? null, image_url: imageUrl ?? null };
      const answer = await http.post(JSON.stringify(question), context);
      if (answeredOrRejected(answer.status, 'the assistant') === 'rejected') {
        return { kind: 'rejected', reason: `assistant_refused_${answer.status}` };
      }
      return { kind: 'answered', ...readAnswer(answer.body) };
    },
    stop: () => http.stop(),
  };
}

function readAnswer(body: Uint8Array): z.output<typeof ANSWER> {
  try {
    return ANSWER.parse(JSON.parse(utf8Text(body)));
  } catch (error) {
    throw new ClassifiedError('CALL_FAILED', 'the assistant answered something else than {text}', { cause: error });
  }
}
