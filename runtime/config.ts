import type { DeadLetterDialect } from '../core/dead-letter-dialect.ts';
import { Names } from '../core/names.ts';
import type { ConfigNeeds, PerDomain } from './config-faults.ts';
import { connectFaults, crossFieldFaults } from './config-faults.ts';
import type { Capturer, Settings } from './config-settings.ts';
import { CAPTURER, PASSWORD_REFERENCE, POSTGRES_URL, REDIS_URL, SETTINGS } from './config-settings.ts';
import type { Environment } from './config-sources.ts';
import { domainValues, resolveFiles, withConfigFile, withoutSettings } from './config-sources.ts';

/**
 * The configuration: read once, at the edge, from the environment and an optional JSON file of the same names (the
 * environment wins). `NAME_FILE` names a file that holds the value of NAME, for secrets. Every fault is reported at once.
 */
export interface Config {
  readonly names: Names;
  readonly environment: string;
  readonly timeZone: string;
  readonly wireFormat: 'avro' | 'json';
  readonly postgres: {
    readonly url: string;
    readonly domainUrls: Readonly<Record<string, string>>;
    readonly poolMax: number;
    /** False behind a pooler that does not follow prepared statements. */
    readonly preparedStatements: boolean;
  };
  readonly capture: {
    /** Undefined: the relay reads the log by the URL of the domain's database. */
    readonly url: string | undefined;
    readonly domainUrls: Readonly<Record<string, string>>;
    /** Who closes a gap: a person, or the relay where no person has to judge. */
    readonly repair: 'manual' | 'auto';
    /** How long rows gather for a batch, and how many bytes of them may wait for Kafka. */
    readonly lingerMs: number;
    readonly inFlightBytesMax: number;
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
  readonly imageProcessor: {
    readonly kind: 'local' | 'store' | 'http';
    readonly url: string | undefined;
    readonly concurrencyMax: number;
  };
  /** Undefined: uploads are not offered. */
  readonly uploads: UploadStore | undefined;
  readonly processing: {
    readonly concurrencyMax: number;
    readonly retryDelaysMs: readonly number[];
    readonly batchMax: number;
    readonly stepTimeoutMs: number;
    readonly lockTimeoutMs: number;
    readonly handlerTimeoutMs: number;
    readonly stall: { readonly reportMs: number; readonly recreateMs: number; readonly endMs: number };
    readonly breaker: { readonly keysMin: number; readonly failurePercent: number; readonly probeMaxMs: number };
  };
  readonly deadLetters: {
    /** Whose headers letters carry beside our own. */
    readonly dialects: readonly DeadLetterDialect[];
    /** Undefined: letters are not archived. */
    readonly archive: { readonly folder: string; readonly afterMs: number } | undefined;
    readonly auditDays: number;
  };
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly format: 'ecs' | 'flat' };
  readonly shutdownTimeoutMs: number;
}

/** An S3-compatible store to which clients upload. */
export interface UploadStore {
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly pathStyle: boolean;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Without it images are read where they were uploaded. */
  readonly cdnUrl: string | undefined;
  /** Bytes. */
  readonly bytesMax: number;
}

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
  faults.push(...crossFieldFaults(settings, needs), ...connectFaults(settings, perDomain, needs));
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
    postgres: {
      host: host(config.postgres.url),
      ownServers: Object.keys(config.postgres.domainUrls),
      poolMax: config.postgres.poolMax,
      preparedStatements: config.postgres.preparedStatements,
    },
    capture: {
      by: config.capture.by,
      domainsBy: config.capture.domainsBy,
      host: config.capture.url === undefined ? undefined : host(config.capture.url),
      ownServers: Object.keys(config.capture.domainUrls),
      repair: config.capture.repair,
      lingerMs: config.capture.lingerMs,
      inFlightBytesMax: config.capture.inFlightBytesMax,
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
    imageProcessor: config.imageProcessor.kind,
    uploads: config.uploads === undefined ? 'none' : { host: host(config.uploads.endpoint), bucket: config.uploads.bucket },
    processing: config.processing,
    deadLetters: config.deadLetters,
    log: config.log,
  };
}

function authMode(auth: Config['auth']): string {
  if (auth.jwksUrl !== undefined) return 'jwks';
  return auth.publicKeyPem !== undefined ? 'public key' : 'development secret';
}

function assemble(settings: Settings, perDomain: PerDomain): Config {
  return {
    names: new Names(settings.MILLRACE_NAMESPACE),
    environment: settings.MILLRACE_ENVIRONMENT,
    timeZone: settings.PIPELINE_TZ,
    wireFormat: settings.WIRE_FORMAT,
    postgres: {
      url: settings.POSTGRES_URL,
      domainUrls: perDomain.postgresUrls,
      poolMax: settings.POSTGRES_POOL_MAX,
      preparedStatements: settings.POSTGRES_PREPARED_STATEMENTS,
    },
    capture: {
      url: settings.CAPTURE_URL,
      domainUrls: perDomain.captureUrls,
      by: settings.CAPTURE,
      domainsBy: perDomain.capturers,
      repair: settings.CAPTURE_REPAIR,
      lingerMs: settings.CAPTURE_LINGER_MS,
      inFlightBytesMax: settings.CAPTURE_IN_FLIGHT_BYTES,
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
    imageProcessor: {
      kind: settings.IMAGE_PROCESSOR,
      url: settings.IMAGE_PROCESSOR_URL,
      concurrencyMax: settings.IMAGE_PROCESSOR_CONCURRENCY_MAX,
    },
    uploads: assembleUploads(settings),
    processing: {
      concurrencyMax: settings.PROCESSING_CONCURRENCY_MAX,
      retryDelaysMs: settings.RETRY_DELAYS_MS,
      batchMax: settings.PROCESSING_BATCH_MAX,
      stepTimeoutMs: settings.PROCESSING_STEP_TIMEOUT_MS,
      lockTimeoutMs: settings.PROCESSING_LOCK_TIMEOUT_MS,
      handlerTimeoutMs: settings.PROCESSING_HANDLER_TIMEOUT_MS,
      stall: {
        reportMs: settings.PROCESSING_STALL_REPORT_MS,
        recreateMs: settings.PROCESSING_STALL_RECREATE_MS,
        endMs: settings.PROCESSING_STALL_END_MS,
      },
      breaker: {
        keysMin: settings.BREAKER_KEYS_MIN,
        failurePercent: settings.BREAKER_FAILURE_PERCENT,
        probeMaxMs: settings.BREAKER_PROBE_MAX_MS,
      },
    },
    deadLetters: assembleDeadLetters(settings),
    log: { level: settings.LOG_LEVEL, format: settings.LOG_FORMAT },
    shutdownTimeoutMs: settings.SHUTDOWN_TIMEOUT_MS,
  };
}

function assembleDeadLetters(settings: Settings): Config['deadLetters'] {
  const { DEAD_LETTER_DIALECTS: dialects, DEAD_LETTER_ARCHIVE_FOLDER: folder, DEAD_LETTER_ARCHIVE_AFTER_MS: afterMs } = settings;
  return { dialects, archive: folder === undefined ? undefined : { folder, afterMs }, auditDays: settings.DEAD_LETTER_AUDIT_DAYS };
}

function assembleUploads(settings: Settings): UploadStore | undefined {
  if (settings.UPLOAD_ENDPOINT === undefined) return undefined;
  return {
    endpoint: settings.UPLOAD_ENDPOINT,
    bucket: settings.UPLOAD_BUCKET ?? '',
    region: settings.UPLOAD_REGION,
    pathStyle: settings.UPLOAD_PATH_STYLE,
    accessKeyId: settings.UPLOAD_ACCESS_KEY_ID ?? '',
    secretAccessKey: settings.UPLOAD_SECRET_ACCESS_KEY ?? '',
    cdnUrl: settings.UPLOAD_CDN_URL,
    bytesMax: settings.UPLOAD_BYTES_MAX,
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

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
  return value;
}
