import type { Capturer, Settings } from './config-settings.ts';

/** Settings that name a domain at their end. */
export interface PerDomain {
  readonly postgresUrls: Record<string, string>;
  readonly captureUrls: Record<string, string>;
  readonly redisUrls: Record<string, string>;
  readonly capturers: Record<string, Capturer>;
  readonly passwordReferences: Record<string, string>;
}

/** Which roles the process will play: only the API needs a way to check tokens. */
export interface ConfigNeeds {
  readonly auth: boolean;
  /** Connectors are registered, for which Kafka Connect must know where passwords are; true when left out. */
  readonly connectorPasswords?: boolean;
}

/** What is wrong between settings that are each right by themselves. */
export function crossFieldFaults(settings: Partial<Settings>, needs: ConfigNeeds): string[] {
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
  const { PROCESSING_STALL_REPORT_MS: report = 0, PROCESSING_STALL_RECREATE_MS: recreate, PROCESSING_STALL_END_MS: end } = settings;
  demand(
    recreate === undefined || end === undefined || (report <= recreate && recreate < end),
    'PROCESSING_STALL_REPORT_MS, PROCESSING_STALL_RECREATE_MS and PROCESSING_STALL_END_MS must ascend',
  );
  demand(settings.CLASSIFIER !== 'http' || settings.CLASSIFIER_URL !== undefined, 'CLASSIFIER_URL is missing although CLASSIFIER is http');
  demand(settings.ASSISTANT !== 'http' || settings.ASSISTANT_URL !== undefined, 'ASSISTANT_URL is missing although ASSISTANT is http');
  demand(settings.NOTIFIER !== 'webhook' || settings.NOTIFIER_URL !== undefined, 'NOTIFIER_URL is missing although NOTIFIER is webhook');
  demand(
    settings.NOTIFIER !== 'webhook' || settings.NOTIFIER_SECRET !== undefined,
    'NOTIFIER_SECRET is missing although NOTIFIER is webhook',
  );
  faults.push(...uploadFaults(settings));
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

const UPLOAD_SETTINGS = ['UPLOAD_ENDPOINT', 'UPLOAD_BUCKET', 'UPLOAD_ACCESS_KEY_ID', 'UPLOAD_SECRET_ACCESS_KEY'] as const;

/** Uploads are configured whole or not at all: half of it would only show when a user uploads. */
function uploadFaults(settings: Partial<Settings>): string[] {
  const isSet = (name: keyof Settings): boolean => settings[name] !== undefined;
  const first = UPLOAD_SETTINGS.find(isSet);
  const missing = first === undefined ? [] : UPLOAD_SETTINGS.filter((name) => !isSet(name));
  const faults = missing.map((name) => `${name} is missing although ${first ?? ''} is set`);
  const { IMAGE_PROCESSOR: kind } = settings;
  if (kind === 'store' && !isSet('UPLOAD_ENDPOINT')) faults.push('UPLOAD_ENDPOINT is missing although IMAGE_PROCESSOR is store');
  if (kind === 'http' && !isSet('IMAGE_PROCESSOR_URL')) faults.push('IMAGE_PROCESSOR_URL is missing although IMAGE_PROCESSOR is http');
  return faults;
}

export function connectFaults(settings: Partial<Settings>, { capturers }: PerDomain, { connectorPasswords = true }: ConfigNeeds): string[] {
  const faults: string[] = [];
  if (settings.KAFKA_CONNECT_URL === undefined) {
    const byDebezium = settings.CAPTURE === 'debezium' ? ['CAPTURE'] : [];
    for (const [domain, capturer] of Object.entries(capturers)) {
      if (capturer === 'debezium') byDebezium.push(`CAPTURE_${domain.toUpperCase()}`);
    }
    faults.push(...byDebezium.map((name) => `KAFKA_CONNECT_URL is missing although ${name} is debezium`));
    return faults;
  }
  if (connectorPasswords && settings.KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE === undefined) {
    faults.push('KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE is missing although KAFKA_CONNECT_URL is set');
  }
  if ((settings.KAFKA_CONNECT_USERNAME === undefined) !== (settings.KAFKA_CONNECT_PASSWORD === undefined)) {
    faults.push('KAFKA_CONNECT_USERNAME and KAFKA_CONNECT_PASSWORD are set both or not at all');
  }
  return faults;
}
