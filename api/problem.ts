import type { TraceContext } from '../core/trace.ts';

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/** One fault of the input: the field by name, and what it must be. Never the value. */
export interface FieldFault {
  readonly field: string;
  readonly message: string;
}

/** Every kind of problem that the API answers, by its slug. The type's URI is `urn:millrace:problem:<slug>`. */
export const PROBLEMS = {
  'malformed-request': { status: 400, title: 'The request cannot be read' },
  'invalid-request': { status: 400, title: 'The request is not valid' },
  unauthenticated: { status: 401, title: 'Authentication is required' },
  forbidden: { status: 403, title: 'This is not allowed to you' },
  'not-found': { status: 404, title: 'Nothing is here' },
  'scan-not-found': { status: 404, title: 'No such scan is known' },
  'resource-not-found': { status: 404, title: 'No such thing of yours is known' },
  'method-not-allowed': { status: 405, title: 'This method is not allowed here' },
  timeout: { status: 408, title: 'The request took too long to arrive' },
  refused: { status: 409, title: 'The present state does not allow it' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'uri-too-long': { status: 414, title: 'The address is too long' },
  'unsupported-media-type': { status: 415, title: 'The body must be JSON' },
  'idempotency-key-reused': { status: 422, title: 'The Idempotency-Key was used for another request' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  'headers-too-large': { status: 431, title: 'The headers are too large' },
  internal: { status: 500, title: 'The server failed' },
  'not-offered': { status: 501, title: 'This is not offered here' },
  unavailable: { status: 503, title: 'The service is not available' },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>;

export type ProblemKind = keyof typeof PROBLEMS;

interface ProblemOptions {
  readonly detail?: string;
  /** Why a command was refused, as a short code for programs. */
  readonly reason?: string;
  readonly errors?: readonly FieldFault[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** Thrown anywhere in the API; answered as problem+json (RFC 9457). Its texts are constants of ours. */
export class HttpProblem extends Error {
  readonly kind: ProblemKind;
  readonly detail: string | undefined;
  readonly reason: string | undefined;
  readonly errors: readonly FieldFault[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(kind: ProblemKind, options: ProblemOptions = {}) {
    super(PROBLEMS[kind].title, { cause: options.cause });
    this.name = 'HttpProblem';
    this.kind = kind;
    this.detail = options.detail;
    this.reason = options.reason;
    this.errors = options.errors;
    this.headers = options.headers ?? {};
  }

  get status(): number {
    return PROBLEMS[this.kind].status;
  }
}

export function invalidRequest(errors: readonly FieldFault[]): HttpProblem {
  return new HttpProblem('invalid-request', { detail: 'See errors for the fields that are not valid.', errors });
}

/** The body of the answer. The ids let a caller name the request to the operator. */
export function problemBody(problem: HttpProblem, trace: TraceContext): string {
  return JSON.stringify({
    type: `urn:millrace:problem:${problem.kind}`,
    title: problem.message,
    status: problem.status,
    detail: problem.detail,
    reason: problem.reason,
    errors: problem.errors,
    trace_id: trace.traceId,
    request_id: trace.requestId,
  });
}
