import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { captureUrl, databaseUrl } from './database-url.ts';
import { ConfigurationError, loadConfig, printableConfig } from './config.ts';

const complete = {
  POSTGRES_URL: 'postgres://millrace:s3cret-value@db:5432',
  KAFKA_BROKERS: 'a:9092, b:9092',
  SCHEMA_REGISTRY_URL: 'http://registry:8081',
  REDIS_URL: 'redis://:s3cret-value@redis:6379',
  ELASTICSEARCH_URL: 'http://es:9200',
};

const folders: string[] = [];
const file = (content: string): string => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-config-'));
  folders.push(folder);
  const path = join(folder, 'value');
  writeFileSync(path, content);
  return path;
};
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const faultsOf = (environment: Record<string, string>, needs = { auth: false }): readonly string[] => {
  try {
    loadConfig(environment, needs);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  }
  return [];
};

describe('the configuration', () => {
  it('takes the store of uploads whole or not at all, and shows its secret to nobody', () => {
    const store = { UPLOAD_ENDPOINT: 'https://store.example', UPLOAD_BUCKET: 'images', UPLOAD_ACCESS_KEY_ID: 'AKIDEXAMPLE' };
    const whole = { ...store, UPLOAD_SECRET_ACCESS_KEY: 's3cret-value-of-the-store' };
    expect(faultsOf({ ...complete, ...store })).toEqual(['UPLOAD_SECRET_ACCESS_KEY is missing although UPLOAD_ENDPOINT is set']);
    expect(faultsOf({ ...complete, UPLOAD_BUCKET: 'images' })).toHaveLength(3);
    const processors = [{ IMAGE_PROCESSOR: 'store' }, { IMAGE_PROCESSOR: 'http' }];
    expect(processors.map((processor) => faultsOf({ ...complete, ...processor }))).toEqual([
      ['UPLOAD_ENDPOINT is missing although IMAGE_PROCESSOR is store'],
      ['IMAGE_PROCESSOR_URL is missing although IMAGE_PROCESSOR is http'],
    ]);
    expect(loadConfig(complete).uploads).toBeUndefined();
    const config = loadConfig({ ...complete, ...whole, IMAGE_PROCESSOR: 'store' });
    expect(config.uploads).toMatchObject({ bucket: 'images', pathStyle: true, cdnUrl: undefined, bytesMax: 10_485_760 });
    expect(JSON.stringify(printableConfig(config))).not.toMatch(/s3cret-value|AKIDEXAMPLE/);
  });

  it('lists every fault at once, by name and without a value', () => {
    const faults = faultsOf(
      {
        POSTGRES_URL: 'mysql://user:s3cret-value@db',
        KAFKA_BROKERS: 'nonsense',
        HTTP_PORT: '99999',
        WIRE_FORMAT: 'xml',
        CLASSIFIER: 'http',
      },
      { auth: true },
    );
    const text = faults.join('\n');
    for (const name of [
      'POSTGRES_URL',
      'KAFKA_BROKERS',
      'HTTP_PORT',
      'WIRE_FORMAT',
      'SCHEMA_REGISTRY_URL',
      'REDIS_URL',
      'ELASTICSEARCH_URL',
      'CLASSIFIER_URL',
      'AUTH_JWKS_URL',
    ]) {
      expect(text).toContain(name);
    }
    expect(text).not.toContain('s3cret-value');
    expect(text).not.toContain('99999');
  });

  it('takes the defaults of the specification', () => {
    const config = loadConfig(complete);
    expect(config.timeZone).toBe('Asia/Seoul');
    expect(config.processing.retryDelaysMs).toEqual([10_000, 60_000, 300_000]);
    expect(config.kafka.brokers).toEqual(['a:9092', 'b:9092']);
    expect(config.wireFormat).toBe('avro');
    expect(config.postgres.preparedStatements).toBe(true);
    expect(loadConfig({ ...complete, POSTGRES_PREPARED_STATEMENTS: 'false' }).postgres.preparedStatements).toBe(false);
  });

  it('takes the dialects of dead letters as a list, and archives only into a folder that is named', () => {
    expect(loadConfig(complete).deadLetters).toEqual({ dialects: [], archive: undefined, auditDays: 400 });
    const given = {
      DEAD_LETTER_DIALECTS: 'spring, connect',
      DEAD_LETTER_ARCHIVE_FOLDER: '/archive',
      DEAD_LETTER_ARCHIVE_AFTER_MS: '60000',
    };
    expect(loadConfig({ ...complete, ...given }).deadLetters).toEqual({
      dialects: ['spring', 'connect'],
      archive: { folder: '/archive', afterMs: 60_000 },
      auditDays: 400,
    });
    expect(faultsOf({ ...complete, DEAD_LETTER_DIALECTS: 'spring,camel' })[0]).toMatch(
      /^DEAD_LETTER_DIALECTS must be some of spring, connect/,
    );
  });

  it('reads secrets from the files that NAME_FILE names', () => {
    const { POSTGRES_URL, ...rest } = complete;
    expect(loadConfig({ ...rest, POSTGRES_URL_FILE: file(`${POSTGRES_URL}\n`) }).postgres.url).toBe(POSTGRES_URL);
    expect(faultsOf({ ...rest, POSTGRES_URL_FILE: '/nowhere/at/all' })).toContain('POSTGRES_URL_FILE names a file that cannot be read');
  });

  it('reads a file of settings, over which the environment wins', () => {
    const path = file(JSON.stringify({ ...complete, HTTP_PORT: '1234', LOG_LEVEL: 'debug' }));
    const config = loadConfig({ MILLRACE_CONFIG_FILE: path, HTTP_PORT: '4321' });
    expect([config.http.port, config.log.level]).toEqual([4321, 'debug']);
  });

  it('names what a file holds that is no setting, where an environment may hold anything', () => {
    const perDomain = { POSTGRES_URL_SCAN: 'postgres://scan:5432', CAPTURE_MY: 'relay' };
    const path = file(JSON.stringify({ ...complete, ...perDomain, KAFKA_BROKER: 'a:9092' }));
    expect(faultsOf({ MILLRACE_CONFIG_FILE: path, HOME: '/home/ann' })).toEqual([
      'KAFKA_BROKER in the file that MILLRACE_CONFIG_FILE names is no setting',
    ]);
  });

  it('takes a value from one place: the environment over the file, and never from two of either', () => {
    const secret = file('postgres://secret:5432');
    const path = file(JSON.stringify({ ...complete, POSTGRES_URL: undefined, POSTGRES_URL_FILE: secret }));
    expect(loadConfig({ MILLRACE_CONFIG_FILE: path }).postgres.url).toBe('postgres://secret:5432');
    expect(loadConfig({ MILLRACE_CONFIG_FILE: path, POSTGRES_URL: complete.POSTGRES_URL }).postgres.url).toBe(complete.POSTGRES_URL);
    const plain = file(JSON.stringify(complete));
    expect(loadConfig({ MILLRACE_CONFIG_FILE: plain, POSTGRES_URL_FILE: secret }).postgres.url).toBe('postgres://secret:5432');
    expect(faultsOf({ ...complete, POSTGRES_URL_FILE: secret })).toEqual([
      'POSTGRES_URL and POSTGRES_URL_FILE are both set: one of them is meant',
    ]);
  });

  it('gives a domain its own server when a URL names it', () => {
    const config = loadConfig({ ...complete, POSTGRES_URL_SCAN: 'postgres://scan:5432' });
    expect(config.postgres.domainUrls).toEqual({ scan: 'postgres://scan:5432' });
    expect(faultsOf({ ...complete, POSTGRES_URL_SCAN: 'nope' })).toHaveLength(1);
  });

  it('allows a development secret only with the development switch', () => {
    const secret = 'x'.repeat(32);
    expect(faultsOf({ ...complete, AUTH_DEVELOPMENT_SECRET: secret })).toHaveLength(1);
    expect(faultsOf({ ...complete, AUTH_DEVELOPMENT: 'true', AUTH_DEVELOPMENT_SECRET: secret }, { auth: true })).toEqual([]);
    expect(faultsOf({ ...complete, AUTH_DEVELOPMENT: 'true', AUTH_DEVELOPMENT_SECRET: secret, AUTH_JWKS_URL: 'http://k' })).toHaveLength(1);
  });

  it('cannot be changed once read, and prints without its secrets', () => {
    const config = loadConfig(complete);
    expect(() => {
      (config.http as { port: number }).port = 1;
    }).toThrow(TypeError);
    expect(JSON.stringify(printableConfig(config))).not.toContain('s3cret-value');
  });

  it('lets the relay read the log by a role of its own, and without one by that of the database', () => {
    const plain = loadConfig(complete);
    expect(captureUrl(plain, 'scan')).toBe(databaseUrl(plain, 'scan'));
    const config = loadConfig({
      ...complete,
      POSTGRES_URL_MY: 'postgres://app:s3cret-value@elsewhere:5432/profiles',
      CAPTURE_URL: 'postgres://capture:s3cret-value@db:5432',
      CAPTURE_URL_SCAN_FILE: file('postgres://scan_capture:s3cret-value@db:5432\n'),
    });
    expect(captureUrl(config, 'image')).toBe('postgres://capture:s3cret-value@db:5432/image');
    expect(captureUrl(config, 'scan')).toBe('postgres://scan_capture:s3cret-value@db:5432/scan');
    expect(captureUrl(config, 'my')).toBe('postgres://capture:s3cret-value@db:5432/profiles');
    expect(databaseUrl(config, 'my')).toBe('postgres://app:s3cret-value@elsewhere:5432/profiles');
    expect(JSON.stringify(printableConfig(config))).not.toContain('s3cret-value');
  });

  it('refuses a budget whose stages are in the wrong order', () => {
    expect(faultsOf({ ...complete, WAL_WARN_PERCENT: '90' })).toEqual(['WAL_WARN_PERCENT must not be above WAL_CRITICAL_PERCENT']);
  });
});

describe('capture by Debezium', () => {
  const connect = { KAFKA_CONNECT_URL: 'http://connect:8083', KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE: '${file:/etc/s.properties:p}' };

  it('is decided for all domains or for one, apart from the URLs of the capture role', () => {
    const capture = {
      CAPTURE: 'relay',
      CAPTURE_SCAN: 'debezium',
      CAPTURE_URL: 'postgres://capture@db',
      CAPTURE_URL_SCAN: 'postgres://capture@scan',
    };
    const config = loadConfig({ ...complete, ...connect, ...capture });
    expect(config.capture).toMatchObject({ by: 'relay', domainsBy: { scan: 'debezium' }, domainUrls: { scan: 'postgres://capture@scan' } });
    expect(faultsOf({ ...complete, ...connect, CAPTURE_SCAN: 'somebody' })).toEqual(['CAPTURE_SCAN must be one of relay, debezium']);
  });

  it('needs Kafka Connect, and a password only by reference', () => {
    expect(faultsOf({ ...complete, CAPTURE: 'debezium', CAPTURE_MY: 'debezium' })).toEqual([
      'KAFKA_CONNECT_URL is missing although CAPTURE is debezium',
      'KAFKA_CONNECT_URL is missing although CAPTURE_MY is debezium',
    ]);
    expect(faultsOf({ ...complete, KAFKA_CONNECT_URL: 'http://connect:8083', KAFKA_CONNECT_USERNAME: 'me' })).toEqual([
      'KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE is missing although KAFKA_CONNECT_URL is set',
      'KAFKA_CONNECT_USERNAME and KAFKA_CONNECT_PASSWORD are set both or not at all',
    ]);
    for (const plain of ['s3cret-value', '${s3cret-value}', 'x${file:/a:b}']) {
      const [fault = ''] = faultsOf({ ...complete, ...connect, KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE: plain });
      expect(fault).toMatch(/must be a reference/);
      expect(fault).not.toContain('s3cret-value');
    }
  });

  it('has its user and password in settings of their own, and not in the address', () => {
    const [fault, ...others] = faultsOf({ ...complete, KAFKA_CONNECT_URL: 'http://ann:s3cret-value@connect:8083', CAPTURE: 'relay' });
    expect(fault).toMatch(/^KAFKA_CONNECT_URL must hold no user and password: KAFKA_CONNECT_USERNAME/);
    expect([fault, ...others].join()).not.toContain('s3cret-value');
  });

  it('is shown without credentials', () => {
    const credentials = { KAFKA_CONNECT_USERNAME: 'me', KAFKA_CONNECT_PASSWORD: 's3cret-value' };
    const config = loadConfig({ ...complete, ...connect, ...credentials });
    expect(config.connect?.auth).toEqual({ username: 'me', password: 's3cret-value' });
    expect(JSON.stringify(printableConfig(config))).not.toContain('s3cret-value');
  });
});
