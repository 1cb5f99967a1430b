import { Type } from 'typebox';
import type { TSchema } from 'typebox';
import { PROBLEM_CONTENT_TYPE, PROBLEMS } from './problem.ts';
import type { ProblemKind } from './problem.ts';

/** The component of the OpenAPI document to which every problem answer refers. */
export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: '`urn:millrace:problem:` and the kind of problem' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.Optional(Type.String({ description: 'What to do about it' })),
    reason: Type.Optional(Type.String({ description: 'Why a command was refused, as a short code for programs' })),
    errors: Type.Optional(
      Type.Array(Type.Object({ field: Type.String(), message: Type.String() }), {
        description: 'The fields that are not valid, by name; never their values',
      }),
    ),
    trace_id: Type.String(),
    request_id: Type.String(),
  },
  { $id: 'Problem', description: 'RFC 9457 problem details' },
);

/** The problem answers of an operation, by status, for its OpenAPI description. */
export function problemAnswers(...kinds: readonly ProblemKind[]): Readonly<Record<string, TSchema>> {
  const answers: Record<string, TSchema> = {};
  for (const status of new Set(kinds.map((kind) => PROBLEMS[kind].status))) {
    const titles = kinds.filter((kind) => PROBLEMS[kind].status === status).map((kind) => PROBLEMS[kind].title);
    const headers = HEADERS[kinds.find((kind) => PROBLEMS[kind].status === status && HEADERS[kind] !== undefined) ?? 'internal'];
    answers[status.toString()] = {
      description: `${titles.join('; ')}.`,
      ...(headers === undefined ? {} : { headers }),
      content: { [PROBLEM_CONTENT_TYPE]: { schema: { $ref: 'Problem#' } } },
    };
  }
  return answers;
}

const RETRY_AFTER = { 'retry-after': { type: 'integer', description: 'Seconds to wait' } };
const HEADERS: Partial<Record<ProblemKind, object>> = {
  unauthenticated: { 'www-authenticate': { type: 'string' } },
  'scan-not-found': RETRY_AFTER,
  'rate-limited': RETRY_AFTER,
  unavailable: RETRY_AFTER,
};
