import { z } from 'zod';
import type { Classifier } from '../../core/calls.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { utf8Text } from '../../core/record.ts';
import { answeredOrRejected } from './classify-http-answer.ts';
import { createJsonPost } from './json-post.ts';
import { isStorable } from './storable-text.ts';

const ANSWER = z.object({ category: z.string().min(1).max(64).refine(isStorable), confidence: z.number().min(0).max(1) });

/**
 * A classifier behind HTTP: `POST {image_url, user_input}` with an idempotency key and the trace, answered by
 * `{category, confidence}`. Fields that the answer has beyond these are ignored.
 */
export function createHttpClassifier(options: {
  readonly url: string;
  readonly connectionsMax: number;
}): Classifier & { stop(): Promise<void> } {
  const http = createJsonPost({ ...options, what: 'the classifier' });
  return {
    classify: async ({ imageUrl, userInput }, context) => {
      const answer = await http.post(JSON.stringify({ image_url: imageUrl, user_input: userInput ?? null }), context);
      if (answeredOrRejected(answer.status, 'the classifier') === 'rejected') {
        return { kind: 'rejected', reason: `classifier_refused_${answer.status}` };
      }
      return { kind: 'classified', ...readAnswer(answer.body) };
    },
    stop: () => http.stop(),
  };
}

function readAnswer(body: Uint8Array): z.output<typeof ANSWER> {
  try {
    return ANSWER.parse(JSON.parse(utf8Text(body)));
  } catch (error) {
    throw new ClassifiedError('CALL_FAILED', 'the classifier answered something else than {category, confidence}', { cause: error });
  }
}
