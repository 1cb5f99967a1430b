import { ClassifiedError } from '../../core/errors.ts';

/** Words of the server that mean "not now": while loading, failing over, out of memory or disk, out of connections, or locked out. */
const NOT_NOW =
  /\b(LOADING|CLUSTERDOWN|MASTERDOWN|READONLY|OOM|MISCONF|NOREPLICAS|TRYAGAIN|BUSY|NOAUTH|NOPERM|WRONGPASS|max number of clients)\b/;
/** The document is of another type, or the script met a value that it cannot use. */
const NOT_EVER = /\bWRONGTYPE\b|[Ee]rror running script|@user_script|user_script:/;

/**
 * An error of the client or the server in the table's words. What the server says is looked for anywhere in its text:
 * an error inside a script arrives wrapped in the script's own. Whatever is not an answer of the server (refused, reset,
 * timed out, closed) is an outage.
 */
export function classifyRedisError(thrown: unknown): ClassifiedError {
  if (thrown instanceof ClassifiedError) return thrown;
  const options = { cause: thrown };
  // A wrong call is our fault; taken for an outage it would hold intake for ever.
  if (!(thrown instanceof Error) || thrown instanceof TypeError || thrown instanceof RangeError) {
    return new ClassifiedError('UNCLASSIFIED', 'the use of Redis failed', options);
  }
  if (thrown.name !== 'ReplyError') return new ClassifiedError('REDIS_UNAVAILABLE', 'Redis cannot be reached', options);
  const word = NOT_NOW.exec(thrown.message)?.[1];
  if (word !== undefined) return new ClassifiedError('REDIS_UNAVAILABLE', `Redis refuses for now: ${word}`, options);
  if (NOT_EVER.test(thrown.message)) return new ClassifiedError('DOCUMENT_INVALID', 'Redis refused the change of the document', options);
  return new ClassifiedError('UNCLASSIFIED', 'Redis answered with an error that is not in the table', options);
}

export function isScriptMissing(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'ReplyError' && thrown.message.startsWith('NOSCRIPT');
}
