import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import type { HealthSource } from '../core/lifecycle.ts';
import type { ApiServer } from './api-route.ts';
import { addAuthRoutes } from './auth-routes.ts';
import { createAuthenticate, createTokenInspector } from './authenticate.ts';
import type { Authenticate } from './authenticate.ts';
import { createBaseServer } from './base-server.ts';
import { addCharacterCatalogue } from './character-catalogue.ts';
import { addCharacterCommands } from './character-commands.ts';
import { addCharacters } from './characters.ts';
import { addChatCommands } from './chat-commands.ts';
import { addChatQueries } from './chat-queries.ts';
import { addClassifyImage } from './classify-image.ts';
import { addDeadLetterRoutes } from './dead-letter-routes.ts';
import { addDeleteImage } from './delete-image.ts';
import { addImageQueries } from './image-queries.ts';
import { createHttpService } from './http-service.ts';
import type { HttpService } from './http-service.ts';
import { KnownUsers } from './known-users.ts';
import { limitInFlight } from './in-flight-limit.ts';
import { addOpenApi } from './openapi.ts';
import { addOperationsRoutes } from './operations-routes.ts';
import type { Accounts, Commands, DeadLetterQueues, RenderMetrics, Revocations, Uploads, UserDirectory } from './ports.ts';
import type { Queries } from './query-ports.ts';
import { createRateLimits, RATE_LIMITS } from './rate-limit.ts';
import type { RateLimits } from './rate-limit.ts';
import { addPreferences } from './preferences.ts';
import { addPresignUpload } from './presign-upload.ts';
import { addRegisterImage } from './register-image.ts';
import { rememberTokens } from './remembered-tokens.ts';
import type { Telemetry } from './request-context.ts';
import { addProfile } from './profile.ts';
import { addScanStats } from './scan-stats.ts';
import { addScanTask } from './scan-task.ts';
import { addScans } from './scans.ts';
import { addTokenRoutes } from './token-routes.ts';
import { createTokenVerifier } from './verify-token.ts';
import type { TokenOptions } from './verify-token.ts';

export interface ApiDependencies extends Telemetry {
  readonly commands: Commands;
  readonly queries: Queries;
  /** Undefined: users are signed in elsewhere, by the issuer of the tokens. */
  readonly accounts?: Accounts | undefined;
  /** Undefined: images are registered by their address alone. */
  readonly uploads?: Uploads | undefined;
  readonly users: UserDirectory;
  readonly revocations: Revocations;
  readonly deadLetters: DeadLetterQueues;
  /** Decide readiness: what the API cannot work without. Read models do not belong here, reads fall back. */
  readonly health: readonly HealthSource[];
  readonly renderMetrics: RenderMetrics;
}

export interface ApiOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly auth: TokenOptions;
  /** Dates in queries are days in this zone. */
  readonly timeZone: string;
  readonly bodyBytesMax?: number;
  readonly rateLimits?: RateLimits;
  readonly trustProxy?: boolean;
  /** Requests in hand beyond which more are refused with 503. */
  readonly inFlightMax?: number;
  readonly requestTimeoutMs?: number;
  readonly handlerTimeoutMs?: number;
  readonly keepAliveTimeoutMs?: number;
}

const PREFIX = '/api/v1';

/** The HTTP API: commands, queries, health, metrics and their OpenAPI document. `start` rejects when the port or the keys cannot be used. */
export function createApi(dependencies: ApiDependencies, options: ApiOptions): HttpService {
  let stopping = false;
  const app = buildApi(dependencies, options, () => stopping);
  return createHttpService(app, { name: 'api', host: options.host, port: options.port, onStopping: () => (stopping = true) });
}

/** The same without a socket. */
export function buildApi(dependencies: ApiDependencies, options: ApiOptions, isStopping: () => boolean): FastifyInstance {
  const app = createBaseServer({
    logger: dependencies.logger,
    metrics: dependencies.metrics,
    clock: dependencies.clock,
    bodyBytesMax: options.bodyBytesMax ?? 65_536,
    trustProxy: options.trustProxy ?? false,
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    handlerTimeoutMs: options.handlerTimeoutMs ?? 30_000,
    keepAliveTimeoutMs: options.keepAliveTimeoutMs ?? 65_000,
    isStopping,
  });
  // What takes time to make (keys) is made while the server gets ready.
  app.register(async (root) => {
    await addOpenApi(root);
    addOperationsRoutes(root, {
      health: dependencies.health,
      metrics: dependencies.renderMetrics,
      logger: dependencies.logger,
      isStopping,
    });
    await root.register(async (api) => addApi(api, dependencies, options), { prefix: PREFIX });
  });
  return app;
}

async function addApi(app: FastifyInstance, dependencies: ApiDependencies, options: ApiOptions): Promise<void> {
  limitInFlight(app, options.inFlightMax ?? 1_000);
  const { users, revocations, clock } = dependencies;
  const verify = rememberTokens(await createTokenVerifier(options.auth, clock), clock);
  const inspect = createTokenInspector(verify, revocations, new KnownUsers(users, clock));
  const authenticate = createAuthenticate(inspect);
  await guard(app, authenticate, options.rateLimits ?? RATE_LIMITS);
  const api: ApiServer = app.withTypeProvider<TypeBoxTypeProvider>();
  addCommands(api, dependencies);
  addAuthRoutes(api, dependencies);
  addTokenRoutes(api, authenticate, inspect);
  addCharacters(api, dependencies.queries);
  addCharacterCatalogue(api, dependencies.queries);
  addScans(api, dependencies.queries, options.timeZone);
  addScanStats(api, dependencies.queries, () => clock.nowMs(), options.timeZone);
  addScanTask(api, dependencies.queries);
  addImageQueries(api, dependencies.queries);
  addProfile(api, dependencies.queries);
  addChatQueries(api, dependencies.queries);
  addDeadLetterRoutes(api, dependencies.deadLetters);
}

function addCommands(api: ApiServer, { commands, uploads }: ApiDependencies): void {
  addPresignUpload(api, uploads);
  addRegisterImage(api, PREFIX, commands, uploads);
  addDeleteImage(api, commands);
  addClassifyImage(api, PREFIX, commands);
  addCharacterCommands(api, PREFIX, commands);
  addPreferences(api, commands);
  addChatCommands(api, PREFIX, commands);
}

/** Who asks, and how often, is settled before a byte of the body is read. */
async function guard(app: FastifyInstance, authenticate: Authenticate, limits: RateLimits): Promise<void> {
  const rates = await createRateLimits(app, limits);
  app.addHook('onRequest', async (request, reply) => {
    const { rateClass = 'query', isPublic = false, acceptsRevokedToken: acceptRevoked } = request.routeOptions.config;
    const limitRate = rates[rateClass];
    if (isPublic) return limitRate(request, reply);
    try {
      const { userId, claims } = await authenticate(request.headers.authorization, { acceptRevoked });
      request.context.userId = userId;
      request.context.token = claims;
    } catch (error) {
      await limitRate(request, reply);
      throw error;
    }
    await limitRate(request, reply);
  });
}
