import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { Names } from '../core/names.ts';

/**
 * The configuration: read once, at the edge, from the environment and an optional JSON file of the same names (the
 * environment wins). `NAME_FILE` names a file that holds the value of NAME, for secrets. Every fault is reported at once.
 */
export interface Config {
  readonly names: Names;
  readonly environment: string;
  readonly timeZone: string;
  readonly wireFormat: 'avro' | 'json';
  readonly postgres: { readonly url: string; readonly domainUrls: Readonly<Record<string, string>>; readonly poolMax: number };
  readonly capture: {
    /** Undefined: the relay reads the log by the URL of the domain's database. */
    readonly url: string | undefined;
    readonly domainUrls: Readonly<Record<string, string>>;
    /** Who closes a gap: a person, or the relay where no person has to judge. */
    readonly repair: 'manual' | 'auto';
    readonly walBudget: { readonly bytes: number; readonly warnPercent: number; readonly criticalPercent: number };
    readonly walLookIntervalMs: number;
    readonly by: Capturer;
    readonly domainsBy: Readonly<Record<string, Capturer>>;
  };
  readonly retention: { readonly outboxDays: number; readonly snapshotDays: number };
  /** Undefined: there is no Kafka Connect, and nothing that needs it. */
  readonly connect:
    | {
        readonly url: string;
        readonly auth: { readonly username: string; readonly password: string } | undefined;
        readonly passwordReference: string;
        readonly domainPasswordReferences: Readonly<Record<string, string>>;
        readonly postgresAddress: string | undefined;
      }
    | undefined;
  readonly kafka: {
    readonly brokers: readonly string[];
    readonly ssl: boolean;
    readonly sasl:
      { readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; readonly username: string; readonly password: string } | undefined;
    readonly replicationFactor: number;
  };
  readonly registry: { readonly url: string; readonly username: string | undefined; readonly password: string | undefined };
  readonly redis: { readonly url: string; readonly domainUrls: Readonly<Record<string, string>> };
  readonly elasticsearch: { readonly url: string; readonly apiKey: string | undefined };
  readonly http: {
    readonly host: string;
    readonly port: number;
    readonly operationsPort: number;
    readonly bodyBytesMax: number;
    readonly commandsPerMinuteMax: number;
    readonly queriesPerMinuteMax: number;
    readonly trustProxy: boolean;
  };
  readonly auth: {
    readonly issuer: string;
    readonly audience: string;
    readonly jwksUrl: string | undefined;
    readonly publicKeyPem: string | undefined;
    readonly developmentSecret: string | undefined;
    readonly signingKeyPem: string | undefined;
    readonly hashSecret: string | undefined;
  };
  readonly classifier: { readonly kind: 'local' | 'http'; readonly url: string | undefined; readonly concurrencyMax: number };
  readonly notifier: { readonly kind: 'log' | 'webhook'; readonly url: string | undefined; readonly secret: string | undefined };
  readonly assistant: { readonly kind: 'local' | 'http'; readonly url: string | undefined; readonly concurrencyMax: number };
  readonly processing: { readonly concurrencyMax: number; readonly retryDelaysMs: readonly number[]; readonly handlerTimeoutMs: number };
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly format: 'ecs' | 'flat' };
  readonly shutdownTimeoutMs: number;
}

/** Who publishes a domain's outbox. */
export type Capturer = 'relay' | 'debezium';

/** One error that lists every fault by the name of its setting, and never shows a value. */
export class ConfigurationError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(
      `The configuration has ${faults.length} fault${faults.length === 1 ? '' : 's'}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    );
    this.name = 'ConfigurationError';
    this.faults = faults;
  }
}

const url = (...protocols: string[]) =>
  z
    .string()
    .refine(
      (text) => URL.canParse(text) && protocols.includes(new URL(text).protocol),
      `must be a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`,
    );
const integer = (fallback: number, min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must lie between ${min} and ${max}`)
    .default(fallback);
const flag = (fallback: boolean) =>
  z
    .enum(['true', 'false'], 'must be true or false')
    .transform((text) => text === 'true')
    .default(fallback);
const choice = <const T extends readonly [string, ...string[]]>(values: T, fallback: T[number]) =>
  z.enum(values, `must be one of ${values.join(', ')}`).default(fallback as never);

function setting<S extends z.ZodType>(schema: S, text: string): { readonly schema: S; readonly text: string } {
  return { schema, text };
}

const POSTGRES_URL = url('postgres:', 'postgresql:');
const HTTP_URL = url('http:', 'https:');
const REDIS_URL = url('redis:', 'rediss:');
const CAPTURER = z.enum(['relay', 'debezium'], 'must be one of relay, debezium');
const PASSWORD_REFERENCE = z
  .string()
  .regex(/^\$\{[A-Za-z0-9_.-]+:[^{}]+\}$/, "must be a reference to one of Connect's config providers, such as ${file:/path:key}");
const HOST_AND_PORT = z.string().regex(/^[^\s:/@]+:\d{1,5}$/, 'must be host:port');

/** Every setting: what it must be, and what it is for. docs/configuration.md is made from it. */
export const SETTINGS = {
  MILLRACE_NAMESPACE: setting(
    z
      .string()
      .regex(/^([a-z][a-z0-9_]{0,20})?$/, 'must be at most 21 lower-case letters, digits or underscores')
      .default(''),
    'Prefix of every name on a server (topics, groups, slots, indices, keys, databases), to set deployments apart.',
  ),
  MILLRACE_ENVIRONMENT: setting(
    z
      .string()
      .regex(/^[a-z0-9_-]{1,32}$/, 'must be 1 to 32 lower-case letters, digits, - or _')
      .default('local'),
    'Name of the environment in every log line.',
  ),
  PIPELINE_TZ: setting(
    z.string().refine(isTimeZone, 'must be a time zone of the IANA database').default('Asia/Seoul'),
    'Time zone of calendar buckets such as the weekly ranking.',
  ),
  WIRE_FORMAT: setting(
    choice(['avro', 'json'], 'avro'),
    'How the relay writes payloads: Avro frames, or the JSON text as it is. Consumers read both.',
  ),
  POSTGRES_URL: setting(
    POSTGRES_URL,
    'Server without a database; each domain has a database of its own name there. `POSTGRES_URL_<DOMAIN>` gives a domain its own server.',
  ),
  POSTGRES_POOL_MAX: setting(integer(10, 1, 200), 'Connections per domain and process.'),
  CAPTURE_URL: setting(
    POSTGRES_URL.optional(),
    'Server without a database, with the role by which the relay reads the write-ahead log; without it, that of `POSTGRES_URL`. `CAPTURE_URL_<DOMAIN>` gives a domain its own. `millrace init` prints the role.',
  ),
  CAPTURE_REPAIR: setting(
    choice(['manual', 'auto'], 'manual'),
    'Who repairs a capture that stands in a gap: `manual` waits for `millrace slot repair`; with `auto` the relay does, but never after a restore or on another server.',
  ),
  WAL_BUDGET_BYTES: setting(
    integer(8 * 2 ** 30, 2 ** 20, 2 ** 50),
    'Write-ahead log that a slot may hold back, on a server without `max_slot_wal_keep_size`; with one, that is the budget.',
  ),
  WAL_WARN_PERCENT: setting(integer(50, 1, 100), 'Share of that budget from which on a slot is in the stage `warn`.'),
  WAL_CRITICAL_PERCENT: setting(integer(80, 1, 100), 'Share of that budget from which on a slot is in the stage `critical`.'),
  WAL_LOOK_INTERVAL_MS: setting(integer(10_000, 100, 600_000), 'Time between two looks at a slot and its budget, in milliseconds.'),
  OUTBOX_RETENTION_DAYS: setting(
    integer(31, 1, 3_650),
    "Days that outbox rows are kept at least, captured or not; never less than a day more than the domain's topics keep their records.",
  ),
  SNAPSHOT_RETENTION_DAYS: setting(integer(90, 1, 3_650), 'Days without an event after which the snapshot of a stream is removed.'),
  CAPTURE: setting(
    CAPTURER.default('relay'),
    'Who publishes the outbox: the built-in `relay`, or `debezium` on Kafka Connect. `CAPTURE_<DOMAIN>` decides for one domain.',
  ),
  KAFKA_CONNECT_URL: setting(HTTP_URL.optional(), 'REST interface of Kafka Connect with Debezium; without it there are no `cdc.*` topics.'),
  KAFKA_CONNECT_USERNAME: setting(z.string().min(1).optional(), 'User at that interface.'),
  KAFKA_CONNECT_PASSWORD: setting(z.string().min(1).optional(), 'Password at that interface.'),
  KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE: setting(
    PASSWORD_REFERENCE.optional(),
    "How Connect finds PostgreSQL's password by a config provider of its worker: `${file:/path:key}`, `${env:NAME}`, `${dir:/path:file}`. `KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE_<DOMAIN>` for a domain with a server of its own.",
  ),
  KAFKA_CONNECT_POSTGRES_ADDRESS: setting(
    HOST_AND_PORT.optional(),
    'PostgreSQL as host:port as Connect sees it, where that differs from POSTGRES_URL (containers).',
  ),
  KAFKA_BROKERS: setting(
    z
      .string()
      .refine(
        (text) => text.split(',').every((broker) => /^[^\s:]+:\d{1,5}$/.test(broker.trim())),
        'must be host:port, several separated by commas',
      )
      .transform((text) => text.split(',').map((broker) => broker.trim())),
    'Brokers as host:port, several separated by commas.',
  ),
  KAFKA_SSL: setting(flag(false), 'Encrypt the connections to the brokers.'),
  KAFKA_SASL_MECHANISM: setting(
    z.enum(['plain', 'scram-sha-256', 'scram-sha-512'], 'must be one of plain, scram-sha-256, scram-sha-512').optional(),
    'How to authenticate with the brokers.',
  ),
  KAFKA_SASL_USERNAME: setting(z.string().min(1).optional(), 'User at the brokers.'),
  KAFKA_SASL_PASSWORD: setting(z.string().min(1).optional(), 'Password at the brokers.'),
  KAFKA_REPLICATION_FACTOR: setting(
    integer(1, 1, 10),
    'Replicas of the topics that `apply` makes; with 3 or more, `min.insync.replicas` is 2.',
  ),
  SCHEMA_REGISTRY_URL: setting(HTTP_URL, 'Base of the Confluent API of the schema registry.'),
  SCHEMA_REGISTRY_USERNAME: setting(z.string().min(1).optional(), 'User at the registry.'),
  SCHEMA_REGISTRY_PASSWORD: setting(z.string().min(1).optional(), 'Password at the registry.'),
  REDIS_URL: setting(REDIS_URL, 'Redis of the read models. `REDIS_URL_<DOMAIN>` gives a domain its own.'),
  ELASTICSEARCH_URL: setting(HTTP_URL, 'Elasticsearch of the read models.'),
  ELASTICSEARCH_API_KEY: setting(z.string().min(1).optional(), 'API key for Elasticsearch.'),
  HTTP_HOST: setting(z.string().min(1).default('127.0.0.1'), 'Address on which the servers listen.'),
  HTTP_PORT: setting(integer(8080, 0, 65_535), 'Port of the API; 0 lets the system choose.'),
  OPERATIONS_PORT: setting(
    integer(0, 0, 65_535),
    'Port of `/health` and `/metrics` in processes without the API; 0 lets the system choose.',
  ),
  HTTP_BODY_BYTES_MAX: setting(integer(65_536, 1_024, 8_388_608), 'Largest request body, in bytes.'),
  HTTP_TRUST_PROXY: setting(flag(false), 'Take the client address from `X-Forwarded-For`.'),
  RATE_LIMIT_COMMANDS_PER_MINUTE: setting(integer(100, 0, 1_000_000), 'Commands per user and minute; 0 switches the limit off.'),
  RATE_LIMIT_QUERIES_PER_MINUTE: setting(integer(300, 0, 1_000_000), 'Queries per user and minute; 0 switches the limit off.'),
  AUTH_ISSUER: setting(z.string().min(1).default('millrace'), 'Required issuer of tokens.'),
  AUTH_AUDIENCE: setting(z.string().min(1).default('millrace'), 'Required audience of tokens.'),
  AUTH_JWKS_URL: setting(HTTP_URL.optional(), 'Where the issuer publishes its keys (RS256).'),
  AUTH_PUBLIC_KEY: setting(
    z.string().includes('-----BEGIN', 'must be a PEM public key').optional(),
    "The issuer's public key in PEM (RS256).",
  ),
  AUTH_DEVELOPMENT: setting(flag(false), 'Allows tokens signed with a shared secret (HS256). Never in production.'),
  AUTH_DEVELOPMENT_SECRET: setting(
    z.string().min(32, 'must have at least 32 characters').optional(),
    'The shared secret; only with AUTH_DEVELOPMENT=true.',
  ),
  AUTH_SIGNING_KEY: setting(
    z.string().includes('-----BEGIN', 'must be a PEM private key').optional(),
    'The private key of AUTH_PUBLIC_KEY in PEM (PKCS 8): users register and log in here. Without it they do so with the issuer.',
  ),
  AUTH_HASH_SECRET: setting(
    z.string().min(32, 'must have at least 32 characters').optional(),
    'Keys the hashes of e-mail and client addresses. It must never change: users are found by it.',
  ),
  CLASSIFIER: setting(choice(['local', 'http'], 'local'), '`local` is deterministic, for demo and tests; `http` calls CLASSIFIER_URL.'),
  CLASSIFIER_URL: setting(HTTP_URL.optional(), 'The classification service.'),
  CLASSIFIER_CONCURRENCY_MAX: setting(integer(16, 1, 1_000), 'Classifications at the same time per process.'),
  NOTIFIER: setting(choice(['log', 'webhook'], 'log'), '`log` writes a line; `webhook` posts to NOTIFIER_URL.'),
  NOTIFIER_URL: setting(HTTP_URL.optional(), 'The webhook.'),
  NOTIFIER_SECRET: setting(z.string().min(16, 'must have at least 16 characters').optional(), "Signs the webhook's body (HMAC-SHA-256)."),
  ASSISTANT: setting(
    choice(['local', 'http'], 'local'),
    '`local` answers chat messages by fixed rules, for demo and tests; `http` calls ASSISTANT_URL.',
  ),
  ASSISTANT_URL: setting(HTTP_URL.optional(), 'The service that answers chat messages.'),
  ASSISTANT_CONCURRENCY_MAX: setting(integer(16, 1, 1_000), 'Chat answers at the same time per process.'),
  PROCESSING_CONCURRENCY_MAX: setting(integer(64, 1, 10_000), 'Keys handled at the same time per group and process.'),
  PROCESSING_HANDLER_TIMEOUT_MS: setting(integer(30_000, 100, 600_000), 'Deadline of one attempt, in milliseconds.'),
  RETRY_DELAYS_MS: setting(
    z
      .string()
      .regex(/^\d+(,\d+)*$/, 'must be whole numbers of milliseconds, separated by commas')
      .transform((text) => text.split(',').map(Number))
      .default([10_000, 60_000, 300_000]),
    'Waits before the second, third … attempt, in milliseconds; after the last one a record is dead-lettered.',
  ),
  LOG_LEVEL: setting(choice(['debug', 'info', 'warn', 'error'], 'info'), 'Least level that is written.'),
  LOG_FORMAT: setting(choice(['ecs', 'flat'], 'ecs'), '`ecs` for the Elastic Common Schema, `flat` for plain names.'),
  SHUTDOWN_TIMEOUT_MS: setting(integer(20_000, 100, 600_000), 'How long a soft stop may take, in milliseconds.'),
};

type Settings = { [K in keyof typeof SETTINGS]: z.output<(typeof SETTINGS)[K]['schema']> };
type Environment = Readonly<Record<string, string | undefined>>;

interface PerDomain {
  readonly postgresUrls: Record<string, string>;
  readonly captureUrls: Record<string, string>;
  readonly redisUrls: Record<string, string>;
  readonly capturers: Record<string, Capturer>;
  readonly passwordReferences: Record<string, string>;
}

/** Which roles the process will play: only the API needs a way to check tokens. */
export interface ConfigNeeds {
  readonly auth: boolean;
}

/** @throws ConfigurationError listing every fault. */
export function loadConfig(environment: Environment, needs: ConfigNeeds = { auth: false }): Config {
  const faults: string[] = [];
  const values = resolveFiles(withConfigFile(environment, faults), faults);
  const settings: Record<string, unknown> = {};
  for (const [name, { schema }] of Object.entries(SETTINGS)) {
    const text = values[name];
    const parsed = schema.safeParse(text === undefined || text === '' ? undefined : text);
    if (parsed.success) settings[name] = parsed.data;
    else
      faults.push(
        text === undefined || text === '' ? `${name} is missing` : `${name} ${parsed.error.issues[0]?.message ?? 'is not valid'}`,
      );
  }
  const perDomain: PerDomain = {
    postgresUrls: domainValues(values, 'POSTGRES_URL_', POSTGRES_URL, faults),
    captureUrls: domainValues(values, 'CAPTURE_URL_', POSTGRES_URL, faults),
    redisUrls: domainValues(values, 'REDIS_URL_', REDIS_URL, faults),
    capturers: domainValues(withoutSettings(values), 'CAPTURE_', CAPTURER, faults),
    passwordReferences: domainValues(values, 'KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE_', PASSWORD_REFERENCE, faults),
  };
  faults.push(...crossFieldFaults(settings, needs), ...connectFaults(settings, perDomain));
  if (faults.length > 0) throw new ConfigurationError(faults);
  return freeze(assemble(settings as unknown as Settings, perDomain));
}

/** The namespace alone, for what comes before there is a configuration. Empty when it is not set. */
export function namespaceOf(environment: Environment): string {
  return withConfigFile(environment, [])['MILLRACE_NAMESPACE'] ?? '';
}

/** The configuration as it may be shown: what could hold a secret is left out. */
export function printableConfig(config: Config): Record<string, unknown> {
  const host = (text: string): string => new URL(text).host;
  return {
    namespace: config.names.namespace,
    environment: config.environment,
    timeZone: config.timeZone,
    wireFormat: config.wireFormat,
    postgres: { host: host(config.postgres.url), ownServers: Object.keys(config.postgres.domainUrls), poolMax: config.postgres.poolMax },
    capture: {
      by: config.capture.by,
      domainsBy: config.capture.domainsBy,
      host: config.capture.url === undefined ? undefined : host(config.capture.url),
      ownServers: Object.keys(config.capture.domainUrls),
      repair: config.capture.repair,
      walBudget: config.capture.walBudget,
    },
    retention: config.retention,
    connect: config.connect === undefined ? 'none' : host(config.connect.url),
    kafka: { brokers: config.kafka.brokers, ssl: config.kafka.ssl, sasl: config.kafka.sasl?.mechanism ?? 'none' },
    registry: host(config.registry.url),
    redis: host(config.redis.url),
    elasticsearch: host(config.elasticsearch.url),
    http: config.http,
    auth: { issuer: config.auth.issuer, audience: config.auth.audience, mode: authMode(config.auth) },
    classifier: config.classifier.kind,
    notifier: config.notifier.kind,
    assistant: config.assistant.kind,
    processing: config.processing,
    log: config.log,
  };
}

function authMode(auth: Config['auth']): string {
  if (auth.jwksUrl !== undefined) return 'jwks';
  return auth.publicKeyPem !== undefined ? 'public key' : 'development secret';
}

function crossFieldFaults(settings: Partial<Settings>, needs: ConfigNeeds): string[] {
  const faults: string[] = [];
  const demand = (condition: boolean | undefined, fault: string): void => {
    if (condition === false) faults.push(fault);
  };
  const sasl = settings.KAFKA_SASL_MECHANISM;
  demand(
    sasl === undefined || settings.KAFKA_SASL_USERNAME !== undefined,
    'KAFKA_SASL_USERNAME is missing although KAFKA_SASL_MECHANISM is set',
  );
  demand(
    sasl === undefined || settings.KAFKA_SASL_PASSWORD !== undefined,
    'KAFKA_SASL_PASSWORD is missing although KAFKA_SASL_MECHANISM is set',
  );
  const { WAL_WARN_PERCENT: warn, WAL_CRITICAL_PERCENT: critical } = settings;
  demand(warn === undefined || critical === undefined || warn <= critical, 'WAL_WARN_PERCENT must not be above WAL_CRITICAL_PERCENT');
  demand(settings.CLASSIFIER !== 'http' || settings.CLASSIFIER_URL !== undefined, 'CLASSIFIER_URL is missing although CLASSIFIER is http');
  demand(settings.ASSISTANT !== 'http' || settings.ASSISTANT_URL !== undefined, 'ASSISTANT_URL is missing although ASSISTANT is http');
  demand(settings.NOTIFIER !== 'webhook' || settings.NOTIFIER_URL !== undefined, 'NOTIFIER_URL is missing although NOTIFIER is webhook');
  demand(
    settings.NOTIFIER !== 'webhook' || settings.NOTIFIER_SECRET !== undefined,
    'NOTIFIER_SECRET is missing although NOTIFIER is webhook',
  );
  const secretSet = settings.AUTH_DEVELOPMENT_SECRET !== undefined;
  demand(!secretSet || settings.AUTH_DEVELOPMENT === true, 'AUTH_DEVELOPMENT_SECRET is only allowed with AUTH_DEVELOPMENT=true');
  demand(settings.AUTH_DEVELOPMENT !== true || secretSet, 'AUTH_DEVELOPMENT_SECRET is missing although AUTH_DEVELOPMENT is true');
  demand(
    settings.AUTH_SIGNING_KEY === undefined || settings.AUTH_PUBLIC_KEY !== undefined,
    'AUTH_PUBLIC_KEY is missing although AUTH_SIGNING_KEY is set',
  );
  demand(
    settings.AUTH_SIGNING_KEY === undefined || settings.AUTH_HASH_SECRET !== undefined,
    'AUTH_HASH_SECRET is missing although AUTH_SIGNING_KEY is set',
  );
  const modes = [settings.AUTH_JWKS_URL, settings.AUTH_PUBLIC_KEY, settings.AUTH_DEVELOPMENT_SECRET].filter(
    (value) => value !== undefined,
  ).length;
  demand(
    !needs.auth || modes > 0,
    'AUTH_JWKS_URL or AUTH_PUBLIC_KEY is missing (or AUTH_DEVELOPMENT=true with AUTH_DEVELOPMENT_SECRET, never in production)',
  );
  demand(modes <= 1, 'only one of AUTH_JWKS_URL, AUTH_PUBLIC_KEY and AUTH_DEVELOPMENT_SECRET may be set');
  return faults;
}

function connectFaults(settings: Partial<Settings>, { capturers }: PerDomain): string[] {
  const faults: string[] = [];
  if (settings.KAFKA_CONNECT_URL === undefined) {
    const byDebezium = settings.CAPTURE === 'debezium' ? ['CAPTURE'] : [];
    for (const [domain, capturer] of Object.entries(capturers)) {
      if (capturer === 'debezium') byDebezium.push(`CAPTURE_${domain.toUpperCase()}`);
    }
    faults.push(...byDebezium.map((name) => `KAFKA_CONNECT_URL is missing although ${name} is debezium`));
    return faults;
  }
  if (settings.KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE === undefined) {
    faults.push('KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE is missing although KAFKA_CONNECT_URL is set');
  }
  if ((settings.KAFKA_CONNECT_USERNAME === undefined) !== (settings.KAFKA_CONNECT_PASSWORD === undefined)) {
    faults.push('KAFKA_CONNECT_USERNAME and KAFKA_CONNECT_PASSWORD are set both or not at all');
  }
  return faults;
}

function assemble(settings: Settings, perDomain: PerDomain): Config {
  return {
    names: new Names(settings.MILLRACE_NAMESPACE),
    environment: settings.MILLRACE_ENVIRONMENT,
    timeZone: settings.PIPELINE_TZ,
    wireFormat: settings.WIRE_FORMAT,
    postgres: { url: settings.POSTGRES_URL, domainUrls: perDomain.postgresUrls, poolMax: settings.POSTGRES_POOL_MAX },
    capture: {
      url: settings.CAPTURE_URL,
      domainUrls: perDomain.captureUrls,
      by: settings.CAPTURE,
      domainsBy: perDomain.capturers,
      repair: settings.CAPTURE_REPAIR,
      walBudget: {
        bytes: settings.WAL_BUDGET_BYTES,
        warnPercent: settings.WAL_WARN_PERCENT,
        criticalPercent: settings.WAL_CRITICAL_PERCENT,
      },
      walLookIntervalMs: settings.WAL_LOOK_INTERVAL_MS,
    },
    retention: { outboxDays: settings.OUTBOX_RETENTION_DAYS, snapshotDays: settings.SNAPSHOT_RETENTION_DAYS },
    connect: assembleConnect(settings, perDomain),
    kafka: {
      brokers: settings.KAFKA_BROKERS,
      ssl: settings.KAFKA_SSL,
      sasl:
        settings.KAFKA_SASL_MECHANISM === undefined
          ? undefined
          : {
              mechanism: settings.KAFKA_SASL_MECHANISM,
              username: settings.KAFKA_SASL_USERNAME ?? '',
              password: settings.KAFKA_SASL_PASSWORD ?? '',
            },
      replicationFactor: settings.KAFKA_REPLICATION_FACTOR,
    },
    registry: {
      url: settings.SCHEMA_REGISTRY_URL,
      username: settings.SCHEMA_REGISTRY_USERNAME,
      password: settings.SCHEMA_REGISTRY_PASSWORD,
    },
    redis: { url: settings.REDIS_URL, domainUrls: perDomain.redisUrls },
    elasticsearch: { url: settings.ELASTICSEARCH_URL, apiKey: settings.ELASTICSEARCH_API_KEY },
    http: {
      host: settings.HTTP_HOST,
      port: settings.HTTP_PORT,
      operationsPort: settings.OPERATIONS_PORT,
      bodyBytesMax: settings.HTTP_BODY_BYTES_MAX,
      commandsPerMinuteMax: settings.RATE_LIMIT_COMMANDS_PER_MINUTE,
      queriesPerMinuteMax: settings.RATE_LIMIT_QUERIES_PER_MINUTE,
      trustProxy: settings.HTTP_TRUST_PROXY,
    },
    auth: {
      issuer: settings.AUTH_ISSUER,
      audience: settings.AUTH_AUDIENCE,
      jwksUrl: settings.AUTH_JWKS_URL,
      publicKeyPem: settings.AUTH_PUBLIC_KEY,
      developmentSecret: settings.AUTH_DEVELOPMENT_SECRET,
      signingKeyPem: settings.AUTH_SIGNING_KEY,
      hashSecret: settings.AUTH_HASH_SECRET,
    },
    classifier: { kind: settings.CLASSIFIER, url: settings.CLASSIFIER_URL, concurrencyMax: settings.CLASSIFIER_CONCURRENCY_MAX },
    notifier: { kind: settings.NOTIFIER, url: settings.NOTIFIER_URL, secret: settings.NOTIFIER_SECRET },
    assistant: { kind: settings.ASSISTANT, url: settings.ASSISTANT_URL, concurrencyMax: settings.ASSISTANT_CONCURRENCY_MAX },
    processing: {
      concurrencyMax: settings.PROCESSING_CONCURRENCY_MAX,
      retryDelaysMs: settings.RETRY_DELAYS_MS,
      handlerTimeoutMs: settings.PROCESSING_HANDLER_TIMEOUT_MS,
    },
    log: { level: settings.LOG_LEVEL, format: settings.LOG_FORMAT },
    shutdownTimeoutMs: settings.SHUTDOWN_TIMEOUT_MS,
  };
}

function assembleConnect(settings: Settings, { passwordReferences }: PerDomain): Config['connect'] {
  if (settings.KAFKA_CONNECT_URL === undefined) return undefined;
  const username = settings.KAFKA_CONNECT_USERNAME;
  return {
    url: settings.KAFKA_CONNECT_URL,
    auth: username === undefined ? undefined : { username, password: settings.KAFKA_CONNECT_PASSWORD ?? '' },
    passwordReference: settings.KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE ?? '',
    domainPasswordReferences: passwordReferences,
    postgresAddress: settings.KAFKA_CONNECT_POSTGRES_ADDRESS,
  };
}

/** `POSTGRES_URL_SCAN` gives the domain `scan` a server of its own. */
function domainValues<T extends string>(values: Environment, prefix: string, schema: z.ZodType<T>, faults: string[]): Record<string, T> {
  const found: Record<string, T> = {};
  for (const [name, text] of Object.entries(values)) {
    if (!name.startsWith(prefix) || name.endsWith('_FILE') || text === undefined || text === '') continue;
    const parsed = schema.safeParse(text);
    if (parsed.success) found[name.slice(prefix.length).toLowerCase()] = parsed.data;
    else faults.push(`${name} ${parsed.error.issues[0]?.message ?? 'is not valid'}`);
  }
  return found;
}

/** `CAPTURE_SCAN` names a domain; `CAPTURE_REPAIR` and `CAPTURE_URL_SCAN` are other settings. */
function withoutSettings(values: Environment): Environment {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !(name in SETTINGS) && !name.startsWith('CAPTURE_URL_')));
}

function withConfigFile(environment: Environment, faults: string[]): Environment {
  const path = environment['MILLRACE_CONFIG_FILE'];
  if (path === undefined || path === '') return environment;
  try {
    const file = z.record(z.string(), z.string()).safeParse(JSON.parse(readFileSync(path, 'utf8')));
    if (file.success) {
      const present = Object.entries(environment).filter(([, value]) => value !== undefined && value !== '');
      return { ...file.data, ...Object.fromEntries(present) };
    }
    faults.push('MILLRACE_CONFIG_FILE must hold one JSON object whose values are strings');
  } catch {
    faults.push('MILLRACE_CONFIG_FILE names a file that cannot be read as JSON');
  }
  return environment;
}

const DOMAIN_URL_PREFIXES = ['POSTGRES_URL_', 'CAPTURE_URL_', 'REDIS_URL_'];

function resolveFiles(values: Environment, faults: string[]): Environment {
  const resolved: Record<string, string | undefined> = { ...values };
  for (const [name, path] of Object.entries(values)) {
    const target = name.slice(0, -'_FILE'.length);
    const isOurs = target in SETTINGS || DOMAIN_URL_PREFIXES.some((prefix) => target.startsWith(prefix));
    if (!name.endsWith('_FILE') || !isOurs || path === undefined || path === '') continue;
    try {
      resolved[target] = readFileSync(path, 'utf8').trim();
    } catch {
      faults.push(`${name} names a file that cannot be read`);
    }
  }
  return resolved;
}

function isTimeZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
  return value;
}
