import { v5 } from 'uuid';

/** Never changes: an answer is found by its question. */
const ANSWER_NAMESPACE = '2b8f6a1c-9d34-5e07-8c55-7a1e4d0b9f63';

/** The answer to a message: the same however often the message arrives. */
export function answerIdOf(messageId: string): string {
  return v5(messageId, ANSWER_NAMESPACE);
}
