import { randomBytes, randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { formatTraceparent, startTrace } from '../core/trace.ts';
import { HttpProblem, PROBLEM_CONTENT_TYPE, problemBody } from './problem.ts';
import type { ProblemKind } from './problem.ts';
import type { Telemetry } from './request-context.ts';

/**
 * Answers what could not even be parsed as HTTP, or did not arrive in time: there is no request object, so the answer is
 * written to the socket, which is then closed.
 */
export function answerClientError(error: Error & { readonly code?: string }, socket: Socket, telemetry: Telemetry): void {
  // The client is gone, or an answer is under way already: nothing can be said any more.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const problem = new HttpProblem(KINDS[error.code ?? ''] ?? 'malformed-request');
  const trace = startTrace({ requestId: randomUUID() }, randomBytes);
  const body = problemBody(problem, trace);
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${problem.message}`,
      `content-type: ${PROBLEM_CONTENT_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
      `x-request-id: ${trace.requestId ?? ''}`,
      `traceresponse: ${formatTraceparent(trace)}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
  telemetry.metrics.count('millrace_http_requests_total', { method: 'unparsed', route: 'unparsed', status: problem.status.toString() });
  telemetry.logger.info(
    {
      'log.logger': 'http',
      'trace.id': trace.traceId,
      'span.id': trace.spanId,
      'http.request.id': trace.requestId,
      'http.response.status_code': problem.status,
    },
    'request could not be read',
  );
}

const KINDS: Readonly<Record<string, ProblemKind>> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'timeout',
};
