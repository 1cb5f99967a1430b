import { ClassifiedError } from '../core/errors.ts';
import { HttpProblem, invalidRequest } from './problem.ts';
import type { ProblemKind } from './problem.ts';
import { InvalidInput } from './validation.ts';

/** How long a client should wait before it asks again while something is away. */
const RETRY_AFTER_SECONDS = 5;

/** What a caller learns of anything that was thrown. Unknown errors tell nothing: their texts may hold rows or payloads. */
export function problemOf(thrown: unknown): HttpProblem {
  if (thrown instanceof HttpProblem) return thrown;
  if (thrown instanceof InvalidInput) return invalidRequest(thrown.faults);
  if (thrown instanceof ClassifiedError) return problemOfClassified(thrown);
  const known = FRAMEWORK_PROBLEMS[codeOf(thrown)];
  if (known === undefined) return new HttpProblem('internal', { cause: thrown });
  const headers = known.kind === 'unavailable' ? { 'retry-after': RETRY_AFTER_SECONDS.toString() } : {};
  return new HttpProblem(known.kind, { detail: known.detail, headers, cause: thrown });
}

/** A dependency that is away, a lock that somebody held too long, or a conflict that outlived its own retries, may pass; everything else is our fault. */
function problemOfClassified(error: ClassifiedError): HttpProblem {
  if (error.disposition !== 'outage' && error.disposition !== 'retry-now' && error.code !== 'LOCK_TIMEOUT')
    return new HttpProblem('internal', { cause: error });
  return new HttpProblem('unavailable', {
    detail: 'The request was not confirmed. Send it again later, with the same Idempotency-Key if it had one.',
    headers: { 'retry-after': RETRY_AFTER_SECONDS.toString() },
    cause: error,
  });
}

const FRAMEWORK_PROBLEMS: Readonly<Record<string, { readonly kind: ProblemKind; readonly detail: string }>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: { kind: 'malformed-request', detail: 'The body is not well-formed JSON.' },
  FST_ERR_CTP_EMPTY_JSON_BODY: { kind: 'malformed-request', detail: 'The body is empty; a JSON object is expected.' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: { kind: 'malformed-request', detail: 'The body is not as long as Content-Length says.' },
  FST_ERR_BAD_URL: { kind: 'malformed-request', detail: 'The address holds a malformed percent-encoding.' },
  FST_ERR_MAX_PARAM_LENGTH: { kind: 'uri-too-long', detail: 'A part of the path is too long.' },
  FST_ERR_CTP_BODY_TOO_LARGE: { kind: 'body-too-large', detail: 'Send a smaller body.' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { kind: 'unsupported-media-type', detail: 'Send Content-Type: application/json.' },
  FST_ERR_HANDLER_TIMEOUT: {
    kind: 'unavailable',
    detail: 'The answer took too long. It is not known whether the request took effect: repeat it with the same Idempotency-Key.',
  },
};

function codeOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return '';
  return typeof thrown.code === 'string' ? thrown.code : '';
}
