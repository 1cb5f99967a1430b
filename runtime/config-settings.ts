import { z } from 'zod';
import { DEAD_LETTER_DIALECTS } from '../core/dead-letter-dialect.ts';

/** Who publishes a domain's outbox. */
export type Capturer = 'relay' | 'debezium';

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

export const POSTGRES_URL = url('postgres:', 'postgresql:');
const HTTP_URL = url('http:', 'https:');
/** `fetch` refuses others at each request, which would look like an outage. */
const holdsNoCredentials = (text: string): boolean =>
  !URL.canParse(text) || (new URL(text).username === '' && new URL(text).password === '');
export const REDIS_URL = url('redis:', 'rediss:');
export const CAPTURER = z.enum(['relay', 'debezium'], 'must be one of relay, debezium');
export const PASSWORD_REFERENCE = z
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
  POSTGRES_POOL_MAX: setting(
    integer(10, 1, 200),
    'Connections per domain and process; the batches of a processor have three more, and six while they are done again in parts.',
  ),
  POSTGRES_PREPARED_STATEMENTS: setting(
    flag(true),
    'Whether connections keep the plans of statements; `false` behind a pooler that does not follow prepared statements.',
  ),
  CAPTURE_URL: setting(
    POSTGRES_URL.optional(),
    'Server without a database, with the role by which the relay reads the write-ahead log; without it, that of `POSTGRES_URL`. `CAPTURE_URL_<DOMAIN>` gives a domain its own. `millrace init` prints the role.',
  ),
  CAPTURE_REPAIR: setting(
    choice(['manual', 'auto'], 'manual'),
    'Who repairs a capture that stands in a gap: `manual` waits for `millrace slot repair`; with `auto` the relay does, but never after a restore or on another server.',
  ),
  CAPTURE_LINGER_MS: setting(
    integer(0, 0, 1_000),
    'How long the relay gathers rows for a batch, in milliseconds: fewer and larger requests for as much more latency. With 0 it sends what each read brings.',
  ),
  CAPTURE_IN_FLIGHT_BYTES: setting(
    integer(16 * 2 ** 20, 2 ** 20, 2 ** 30),
    'Rows that a relay holds until Kafka acknowledges them, in bytes; above it reads no more. A relay takes some 100 MB beside it.',
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
  KAFKA_CONNECT_URL: setting(
    HTTP_URL.refine(holdsNoCredentials, 'must hold no user and password: KAFKA_CONNECT_USERNAME and KAFKA_CONNECT_PASSWORD do').optional(),
    'REST interface of Kafka Connect with Debezium; without it there are no `cdc.*` topics.',
  ),
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
  HTTP_TRUST_PROXY: setting(
    flag(false),
    'Take the client address from `X-Forwarded-For`: only behind a proxy that overwrites it, for a client can send one, and sign-ins are limited by address.',
  ),
  RATE_LIMIT_COMMANDS_PER_MINUTE: setting(
    integer(100, 0, 1_000_000),
    'Commands per user and minute in each API process: N processes allow N times as many. 0 switches the limit off.',
  ),
  RATE_LIMIT_QUERIES_PER_MINUTE: setting(
    integer(300, 0, 1_000_000),
    'Queries per user and minute in each API process: N processes allow N times as many. 0 switches the limit off.',
  ),
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
  IMAGE_PROCESSOR: setting(
    choice(['local', 'store', 'http'], 'local'),
    '`local` takes every readable address for a processed image, for demo and tests; `store` looks into the store of uploads whether the image is there as announced; `http` has IMAGE_PROCESSOR_URL make the derived forms.',
  ),
  IMAGE_PROCESSOR_URL: setting(HTTP_URL.optional(), 'The service that makes thumbnails and other derived forms.'),
  IMAGE_PROCESSOR_CONCURRENCY_MAX: setting(integer(16, 1, 1_000), 'Images processed at the same time per process.'),
  UPLOAD_ENDPOINT: setting(
    HTTP_URL.optional(),
    'Base of an S3-compatible store, as clients reach it: they upload images straight to it. Without it uploads are not offered.',
  ),
  UPLOAD_BUCKET: setting(
    z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket')
      .optional(),
    'The bucket of the uploads.',
  ),
  UPLOAD_REGION: setting(
    z
      .string()
      .regex(/^[a-z0-9-]{1,64}$/, 'must be the name of a region')
      .default('us-east-1'),
    'Its region.',
  ),
  UPLOAD_PATH_STYLE: setting(flag(true), 'The bucket stands in the path of the address; with false in its host name.'),
  UPLOAD_ACCESS_KEY_ID: setting(
    z.string().min(1).optional(),
    'The key of the store that uploads are signed with; it needs to read and write objects of the bucket.',
  ),
  UPLOAD_SECRET_ACCESS_KEY: setting(
    z.string().min(16, 'must have at least 16 characters').optional(),
    'Its secret. Another one makes uploads invalid that were granted in the last 15 minutes.',
  ),
  UPLOAD_CDN_URL: setting(
    HTTP_URL.optional(),
    'Base under which uploaded images are read; without it they are read where they were uploaded.',
  ),
  UPLOAD_BYTES_MAX: setting(integer(10 * 2 ** 20, 1_024, 2 ** 30), 'Largest image, in bytes.'),
  PROCESSING_CONCURRENCY_MAX: setting(integer(64, 1, 10_000), 'Keys handled at the same time per group and process.'),
  PROCESSING_BATCH_MAX: setting(integer(64, 1, 1_000), 'Reactions that may share a transaction; with 1 each has its own.'),
  PROCESSING_STEP_TIMEOUT_MS: setting(
    integer(5_000, 100, 600_000),
    'Deadline of an attempt at a reaction, beside a declared call or lock, in milliseconds.',
  ),
  PROCESSING_LOCK_TIMEOUT_MS: setting(
    integer(30_000, 100, 600_000),
    'Longest wait for a lock that a reaction or command declares, in milliseconds.',
  ),
  PROCESSING_HANDLER_TIMEOUT_MS: setting(integer(30_000, 100, 600_000), 'Deadline of one attempt of a projection, in milliseconds.'),
  PROCESSING_STALL_REPORT_MS: setting(
    integer(60_000, 1_000, 3_600_000),
    'How long a partition that is behind and waits for nothing may stand still before its group says so, in milliseconds.',
  ),
  PROCESSING_STALL_RECREATE_MS: setting(integer(120_000, 1_000, 3_600_000), 'The same before the consumer is made anew.'),
  PROCESSING_STALL_END_MS: setting(integer(300_000, 1_000, 3_600_000), 'The same before the process ends, to be started again.'),
  RETRY_DELAYS_MS: setting(
    z
      .string()
      .regex(/^\d+(,\d+)*$/, 'must be whole numbers of milliseconds, separated by commas')
      .transform((text) => text.split(',').map(Number))
      .default([10_000, 60_000, 300_000]),
    'Waits before the second, third … attempt, in milliseconds; after the last one a record is dead-lettered. Processors and projections may declare their own.',
  ),
  DEAD_LETTER_DIALECTS: setting(
    z
      .string()
      .transform((text) => text.split(',').map((word) => word.trim()))
      .pipe(z.array(z.enum(DEAD_LETTER_DIALECTS, `must be some of ${DEAD_LETTER_DIALECTS.join(', ')}, separated by commas`)))
      .default([]),
    'Whose headers dead letters carry beside `dlt-*`, for tools that know those: `spring`, `connect`, or both separated by a comma.',
  ),
  DEAD_LETTER_ARCHIVE_FOLDER: setting(
    z.string().min(1).optional(),
    'Folder into which dead letters are archived that nobody has handled in time; one for all processes. Without it none are archived.',
  ),
  DEAD_LETTER_ARCHIVE_AFTER_MS: setting(
    integer(3_600_000, 1_000, 2_592_000_000),
    'Age at which such a letter is archived, in milliseconds.',
  ),
  DEAD_LETTER_AUDIT_DAYS: setting(
    integer(400, 30, 3_650),
    'Days for which the audit tells who replayed, retried or discarded a letter or parked record.',
  ),
  BREAKER_KEYS_MIN: setting(
    integer(5, 1, 10_000),
    'Distinct keys that must fail in the same way before that may be an outage: fewer are poison.',
  ),
  BREAKER_FAILURE_PERCENT: setting(integer(50, 1, 100), 'Share of the keys seen last that must fail for it.'),
  BREAKER_PROBE_MAX_MS: setting(
    integer(10_000, 100, 600_000),
    'Longest pause between two probes of a dependency that is away, in milliseconds.',
  ),
  LOG_LEVEL: setting(choice(['debug', 'info', 'warn', 'error'], 'info'), 'Least level that is written.'),
  LOG_FORMAT: setting(choice(['ecs', 'flat'], 'ecs'), '`ecs` for the Elastic Common Schema, `flat` for plain names.'),
  SHUTDOWN_TIMEOUT_MS: setting(integer(20_000, 100, 600_000), 'How long a soft stop may take, in milliseconds.'),
};

export type Settings = { [K in keyof typeof SETTINGS]: z.output<(typeof SETTINGS)[K]['schema']> };

function isTimeZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}
