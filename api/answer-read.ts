import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Read } from './query-ports.ts';

/** Unpacks a read and says, in the answer's header and in the log line, where it came from. */
export function answerRead<T>(request: FastifyRequest, reply: FastifyReply, read: Read<T>): T {
  request.context.readSource = read.source;
  reply.header('x-read-source', read.source);
  return read.data;
}
