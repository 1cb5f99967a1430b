import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { problemAnswers, ProblemSchema } from './problem-answers.ts';

/** Collects the routes that are added after it, and serves their description. */
export async function addOpenApi(app: FastifyInstance): Promise<void> {
  app.addSchema(ProblemSchema);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Millrace',
        version: '1',
        description: 'Commands are accepted with 202 once they are committed; queries read models that follow behind them.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
    },
    // Components are named by what they are, not by their order.
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) => (typeof json['$id'] === 'string' ? json['$id'] : `def-${index}`),
    },
  });

  const schema = {
    operationId: 'openapi',
    tags: ['operations'],
    summary: 'This document',
    response: {
      200: Type.Unsafe<unknown>({ type: 'object', additionalProperties: true, description: 'OpenAPI 3.1' }),
      ...problemAnswers('internal'),
    },
  };
  app.get('/openapi.json', { schema }, async () => app.swagger());
}
