import { ClassifiedError, classified } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { Logger } from '../core/log.ts';
import type { AvroType } from './avro-schema.ts';
import { compatibilityNamed, strictest, type Compatibility } from './compatibility.ts';
import { LookupCache } from './lookup-cache.ts';
import { RegistryApi, type RegistryAnswer, type RegistryAuth } from './registry-api.ts';

/**
 * The schemas of a Confluent-compatible registry. Everything rejects with REGISTRY_UNAVAILABLE while the registry is away
 * (network, 5xx, refused credentials); lookups that have been answered once are answered from memory and go on.
 */
export interface SchemaRegistry {
  /**
   * Registers the schema as the subject's next version and sees to it that the subject is at least BACKWARD compatible.
   * `changed` is false when both were so already.
   * @throws ClassifiedError CONFIGURATION_INVALID when the registry refuses the schema.
   */
  register(subject: string, schema: AvroType): Promise<{ readonly id: number; readonly changed: boolean }>;
  /** The id of exactly this schema. A schema that is not registered yet is REGISTRY_UNAVAILABLE: it is waited for. */
  idOf(subject: string, schema: AvroType): Promise<number>;
  /** At most 30 s old. @throws ClassifiedError SCHEMA_UNKNOWN */
  latestId(subject: string): Promise<number>;
  /**
   * The schema as it was registered.
   * @throws ClassifiedError SCHEMA_UNKNOWN, and PAYLOAD_UNREADABLE for one that is not Avro; both are remembered for 30 s.
   */
  schemaById(id: number): Promise<Json>;
  /** Whether `schemaById` answers from memory. */
  knowsSchema(id: number): boolean;
  /**
   * Reads the latest versions of the subjects ahead of the records that need them, so that a registry that goes away later is
   * missed by nobody. Resolves with the number of schemas that were read: fewer, and no error, when the registry is away.
   */
  preload(subjects: readonly string[], signal: AbortSignal): Promise<number>;
  /** Makes the subject at least as strict; never less than it is, by itself or by the global level. Returns whether it changed. */
  setCompatibility(subject: string, level: Compatibility): Promise<boolean>;
  /** Whether the registry would take the schema as the next version. A subject without versions takes any. */
  checkCompatible(subject: string, schema: AvroType): Promise<boolean>;
}

const SCHEMAS_MAX = 1_000;
const UNKNOWN_TTL_MS = 30_000;
const LATEST_TTL_MS = 30_000;
/** Of one subject: topics rarely hold records of more. */
const PRELOADED_VERSIONS_MAX = 10;
/** Short: `millrace apply` may register what is missing at any moment. */
const UNREGISTERED_TTL_MS = 2_000;

export function createSchemaRegistry(options: {
  readonly url: string;
  readonly auth?: RegistryAuth;
  readonly logger: Logger;
  /** Default 3 s; a call takes at most twice that and a second. */
  readonly requestTimeoutMs?: number;
}): SchemaRegistry {
  return new CachingRegistry(
    new RegistryApi(options.url, options.auth, options.requestTimeoutMs),
    options.logger.child({ 'log.logger': 'registry' }),
  );
}

class CachingRegistry implements SchemaRegistry {
  private readonly api: RegistryApi;
  private readonly logger: Logger;
  private readonly schemas = new LookupCache<number, Json>({ maxEntries: SCHEMAS_MAX, failureTtlMs: ttlOfFailure });
  private readonly ids = new LookupCache<string, number>({ maxEntries: SCHEMAS_MAX, failureTtlMs: ttlOfFailure });
  private readonly latest = new LookupCache<string, number>({ maxEntries: SCHEMAS_MAX, ttlMs: LATEST_TTL_MS, failureTtlMs: ttlOfFailure });

  constructor(api: RegistryApi, logger: Logger) {
    this.api = api;
    this.logger = logger;
  }

  async register(subject: string, schema: AvroType): Promise<{ id: number; changed: boolean }> {
    const text = JSON.stringify(schema);
    const stricter = await this.setCompatibility(subject, 'BACKWARD');
    const found = await this.api.registered(subject, text);
    if (found.status === 200) return { id: idFrom(found.data), changed: stricter };
    const made = await this.api.register(subject, text);
    if (made.status !== 200) throw new ClassifiedError('CONFIGURATION_INVALID', refusal(subject, made.status));
    // Once more: now there is a subject that may have a level of its own.
    await this.setCompatibility(subject, 'BACKWARD');
    this.latest.forget(subject);
    this.ids.forget(idKey(subject, text));
    const id = idFrom(made.data);
    this.logger.info({ 'schema.subject': subject, 'schema.id': id }, 'schema registered');
    return { id, changed: true };
  }

  idOf(subject: string, schema: AvroType): Promise<number> {
    const text = JSON.stringify(schema);
    return this.ids.get(idKey(subject, text), async () => {
      const found = await this.api.registered(subject, text);
      if (found.status === 200) return idFrom(found.data);
      throw new NotRegistered(
        'REGISTRY_UNAVAILABLE',
        `subject ${subject} does not hold the schema that this version writes: run \`millrace apply\``,
      );
    });
  }

  latestId(subject: string): Promise<number> {
    return this.latest.get(subject, async () => {
      const found = await this.api.latest(subject);
      if (found.status !== 200) throw new ClassifiedError('SCHEMA_UNKNOWN', `subject ${subject} has no schema`);
      return idFrom(found.data);
    });
  }

  schemaById(id: number): Promise<Json> {
    return this.schemas.get(id, async () => {
      const found = await this.api.schema(id);
      if (found.status !== 200) throw new ClassifiedError('SCHEMA_UNKNOWN', `the registry does not know schema ${id}`);
      return schemaFrom(found.data, id);
    });
  }

  knowsSchema(id: number): boolean {
    return this.schemas.now(id) !== undefined;
  }

  async preload(subjects: readonly string[], signal: AbortSignal): Promise<number> {
    let read = 0;
    try {
      for (const subject of subjects) read += await this.preloadSubject(subject, signal);
    } catch (thrown) {
      const { code } = classified(thrown, 'REGISTRY_UNAVAILABLE', 'the schemas could not be read');
      if (!signal.aborted) this.logger.info({ 'error.code': code, schemas: read }, 'schemas are read when records need them');
    }
    return read;
  }

  private async preloadSubject(subject: string, signal: AbortSignal): Promise<number> {
    let read = 0;
    const { version: latest } = this.learn(await this.api.latest(subject)) ?? { version: 0 };
    if (latest > 0) read += 1;
    // Numbers of deleted versions are passed over.
    for (let version = latest - 1; version > 0 && version > latest - PRELOADED_VERSIONS_MAX; version -= 1) {
      signal.throwIfAborted();
      if (this.learn(await this.api.version(subject, version)) !== undefined) read += 1;
    }
    return read;
  }

  private learn(answer: RegistryAnswer): { readonly version: number } | undefined {
    if (answer.status !== 200) return undefined;
    const id = idFrom(answer.data);
    this.schemas.put(id, schemaFrom(answer.data, id));
    const version: unknown = isObject(answer.data) ? answer.data['version'] : undefined;
    return { version: typeof version === 'number' ? version : 1 };
  }

  async setCompatibility(subject: string, level: Compatibility): Promise<boolean> {
    const named = await this.api.subjectCompatibility(subject);
    const own = named === undefined ? undefined : compatibilityNamed(named);
    // Some registries call it NONE when a subject follows the global level: both are asked then, and the stricter holds.
    const inherits = own === undefined || own === 'NONE';
    const current = inherits ? compatibilityNamed(await this.api.globalCompatibility()) : own;
    const wanted = strictest(current, level);
    if (wanted === (own ?? current)) return false;
    const set = await this.api.configureSubject(subject, wanted);
    if (set.status !== 200)
      throw new ClassifiedError('CONFIGURATION_INVALID', `the registry refuses compatibility ${wanted} for subject ${subject}`);
    return true;
  }

  async checkCompatible(subject: string, schema: AvroType): Promise<boolean> {
    const verdict = await this.api.compatibleWithLatest(subject, JSON.stringify(schema));
    if (verdict.status === 404) return true;
    return verdict.status === 200 && (verdict.data as { is_compatible?: unknown }).is_compatible === true;
  }
}

/** Waits like an outage, but the registry has answered: what is missing may be registered at any moment. */
class NotRegistered extends ClassifiedError {}

function ttlOfFailure(failure: unknown): number {
  if (failure instanceof NotRegistered) return UNREGISTERED_TTL_MS;
  const isAnswer = failure instanceof ClassifiedError && (failure.code === 'SCHEMA_UNKNOWN' || failure.code === 'PAYLOAD_UNREADABLE');
  return isAnswer ? UNKNOWN_TTL_MS : 0;
}

function refusal(subject: string, status: Exclude<RegistryAnswer['status'], 200>): string {
  if (status === 409) return `the schema for subject ${subject} is not compatible with the versions that the registry holds`;
  return `the registry refuses the schema for subject ${subject} (HTTP ${status})`;
}

function idKey(subject: string, schema: string): string {
  return `${subject}\n${schema}`;
}

function idFrom(data: unknown): number {
  const id: unknown = isObject(data) ? data['id'] : undefined;
  if (typeof id !== 'number' || !Number.isInteger(id))
    throw new ClassifiedError('REGISTRY_UNAVAILABLE', 'the schema registry answers without an id');
  return id;
}

function schemaFrom(data: unknown, id: number): Json {
  const { schema, schemaType, references } = isObject(data) ? data : {};
  if (typeof schema !== 'string') throw new ClassifiedError('REGISTRY_UNAVAILABLE', 'the schema registry answers without a schema');
  const standsAlone = (schemaType === undefined || schemaType === 'AVRO') && (!Array.isArray(references) || references.length === 0);
  if (!standsAlone) throw new ClassifiedError('PAYLOAD_UNREADABLE', `schema ${id} of the registry is not Avro that stands alone`);
  try {
    return JSON.parse(schema) as Json;
  } catch (thrown) {
    throw new ClassifiedError('PAYLOAD_UNREADABLE', `schema ${id} of the registry is not Avro that stands alone`, { cause: thrown });
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
