import { createRequire } from 'node:module';
import type { SchemaRegistryAPIClient, SchemaRegistryAPIClientArgs } from '@kafkajs/confluent-schema-registry/dist/api/index.js';
import { ClassifiedError } from '../core/errors.ts';

const load = createRequire(import.meta.url);
const CLIENT = '@kafkajs/confluent-schema-registry/dist/api/index.js';
let createApi: ((args: SchemaRegistryAPIClientArgs) => SchemaRegistryAPIClient) | undefined;

/**
 * Required and not imported: loaders do not agree on what the default of this CommonJS module is. And only when it is used: a
 * process that speaks with no registry starts sooner without it.
 */
function client(): (args: SchemaRegistryAPIClientArgs) => SchemaRegistryAPIClient {
  if (createApi === undefined) {
    createApi = (load(CLIENT) as { default: (args: SchemaRegistryAPIClientArgs) => SchemaRegistryAPIClient }).default;
    surviveNullBodies();
  }
  return createApi;
}

const REQUEST_TIMEOUT_MS = 3_000;
/** One more try by the client itself: a registry behind a load balancer drops a connection now and then. */
const RETRY = { maxRetryTimeInSecs: 0.5, initialRetryTimeInSecs: 0.1, factor: 0.2, multiplier: 2, retries: 1 };

export interface RegistryAuth {
  readonly username: string;
  readonly password: string;
}

/** What the registry says, if it says something that has a meaning: anything else is an outage. */
export type RegistryAnswer = { readonly status: 200; readonly data: unknown } | { readonly status: 404 | 409 | 422 };

/**
 * The registry's HTTP interface, over the client of @kafkajs/confluent-schema-registry. Of that library only this part is
 * used: its `register` overrides a stricter global compatibility, its cache has no bound and remembers no failure, and its
 * decoder has no limits. All retry settings are given, because the client writes what it is given into its own defaults.
 *
 * Every method rejects with REGISTRY_UNAVAILABLE, after twice the time of a request (3 s) and one second at the latest.
 */
export class RegistryApi {
  private readonly args: SchemaRegistryAPIClientArgs;
  private readonly callTimeoutMs: number;
  private made: SchemaRegistryAPIClient | undefined;

  constructor(url: string, auth: RegistryAuth | undefined, requestTimeoutMs = REQUEST_TIMEOUT_MS) {
    this.callTimeoutMs = 2 * requestTimeoutMs + 1_000;
    this.args = {
      host: url.replace(/\/+$/, ''),
      clientId: 'millrace',
      retry: RETRY,
      middlewares: [() => ({ prepareRequest: async (next) => (await next()).enhance({ timeout: requestTimeoutMs }) })],
      ...(auth === undefined ? {} : { auth: { ...auth } }),
    };
  }

  private get api(): SchemaRegistryAPIClient {
    this.made ??= client()(this.args);
    return this.made;
  }

  schema(id: number): Promise<RegistryAnswer> {
    return this.answer(this.api.Schema.find({ id }));
  }

  latest(subject: string): Promise<RegistryAnswer> {
    return this.answer(this.api.Subject.latestVersion({ subject }));
  }

  /** Number, id and text of the subject's version. */
  version(subject: string, version: number): Promise<RegistryAnswer> {
    return this.answer(this.api.Subject.version({ subject, version }));
  }

  /** The id of exactly this schema under the subject. */
  registered(subject: string, schema: string): Promise<RegistryAnswer> {
    return this.answer(this.api.Subject.registered({ subject, body: { schema } }));
  }

  register(subject: string, schema: string): Promise<RegistryAnswer> {
    return this.answer(this.api.Subject.register({ subject, body: { schema } }));
  }

  compatibleWithLatest(subject: string, schema: string): Promise<RegistryAnswer> {
    return this.answer(this.api.Subject.compatible({ subject, version: 'latest', verbose: true, body: { schema } }));
  }

  /** The name of the subject's own level, undefined when it has none. */
  async subjectCompatibility(subject: string): Promise<unknown> {
    const own = await this.answer(this.api.Subject.config({ subject }));
    return own.status === 200 ? (own.data as { compatibilityLevel?: unknown }).compatibilityLevel : undefined;
  }

  /** The client has no word for the global level: it is what a subject without a name has. */
  globalCompatibility(): Promise<unknown> {
    return this.subjectCompatibility('');
  }

  configureSubject(subject: string, compatibility: string): Promise<RegistryAnswer> {
    return this.answer(this.api.Subject.updateConfig({ subject, body: { compatibility } }));
  }

  private answer(call: Promise<{ data(): unknown }>): Promise<RegistryAnswer> {
    return answerWithin(this.callTimeoutMs, call);
  }
}

/**
 * The client reads a field of an error's body in a promise that nobody awaits. When the body is the JSON text `null`, that
 * throws there and ends the process; an empty object in its place does no harm.
 */
function surviveNullBodies(): void {
  const { Response } = createRequire(load.resolve(CLIENT))('mappersmith/response') as { Response: { prototype: { data(): unknown } } };
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the response as `this` below
  const { data } = Response.prototype;
  Response.prototype.data = function () {
    return data.call(this) ?? {};
  };
}

async function answerWithin(timeoutMs: number, call: Promise<{ data(): unknown }>): Promise<RegistryAnswer> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${timeoutMs} ms`));
    }, timeoutMs);
  });
  try {
    return { status: 200, data: (await Promise.race([call, timeUp])).data() };
  } catch (thrown) {
    const status: unknown = thrown instanceof Error && 'status' in thrown ? thrown.status : undefined;
    if (status === 404 || status === 409 || status === 422) return { status };
    throw new ClassifiedError('REGISTRY_UNAVAILABLE', 'the schema registry does not answer', { cause: thrown });
  } finally {
    clearTimeout(timer);
  }
}
