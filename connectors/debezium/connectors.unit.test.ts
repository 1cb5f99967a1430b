import { describe, expect, it } from 'vitest';
import { ENVELOPE_HEADERS } from '../../core/envelope.ts';
import { Names } from '../../core/names.ts';
import { pipeline } from '../../pipeline.ts';
import { outboxConnector } from './outbox-connector.ts';
import { changesOf } from './register.ts';
import { tableConnector } from './table-connector.ts';

const PASSWORD = 'p%40ss-w0rd';
const database = {
  url: `postgres://capture:${PASSWORD}@db.example:5433/scan?sslmode=require`,
  passwordReference: '${file:/etc/millrace/secrets.properties:postgres.password}',
};
const outbox = (names = new Names(), payload: 'jsonb' | 'bytea' = 'jsonb') =>
  outboxConnector({ domain: 'scan', names, database, routes: ['scan.completed', 'scan.failed'], payload, failoverSlot: true });
const every = pipeline.domains.flatMap((domain) =>
  (['', 'blue'] as const).flatMap((namespace) => {
    const common = { domain: domain.name, names: new Names(namespace), database, failoverSlot: false };
    return [
      ...(['jsonb', 'bytea'] as const).map((payload) =>
        outboxConnector({ ...common, routes: domain.events.map(({ route }) => route), payload }),
      ),
      ...(domain.tables === undefined ? [] : [tableConnector({ ...common, tables: domain.tables })]),
    ];
  }),
);

describe('a rendered connector', () => {
  it('never holds the password, only the reference by which Connect finds it', () => {
    expect(every.length).toBeGreaterThan(20);
    for (const { config } of every) {
      expect(config['database.password']).toBe(database.passwordReference);
      const text = JSON.stringify(config);
      expect(text).not.toContain(PASSWORD);
      expect(text).not.toContain(decodeURIComponent(PASSWORD));
    }
  });

  it('reaches the database where the URL says, or where Connect sees it', () => {
    expect(outbox().config).toMatchObject({
      'database.hostname': 'db.example',
      'database.port': '5433',
      'database.user': 'capture',
      'database.dbname': 'scan',
      'database.sslmode': 'require',
    });
    const elsewhere = { ...database, address: 'postgres:5432' };
    const { config } = tableConnector({ domain: 'scan', names: new Names(), database: elsewhere, tables: [], failoverSlot: false });
    expect(config).toMatchObject({ 'database.hostname': 'postgres', 'database.port': '5432' });
    expect(config).not.toHaveProperty('slot.failover');
  });

  it('names only predicates and transforms that it defines', () => {
    for (const { config } of every) {
      const words = (setting: string): string[] => (config[setting] ?? '').split(',');
      for (const transform of words('transforms')) expect(config).toHaveProperty([`transforms.${transform}.type`]);
      for (const predicate of words('predicates')) expect(config).toHaveProperty([`predicates.${predicate}.type`]);
      for (const [setting, value] of Object.entries(config)) {
        if (/^transforms\.[^.]+\.predicate$/.test(setting)) expect(words('predicates')).toContain(value);
      }
    }
  });
});

describe('the connector of an outbox', () => {
  it('reads from the slot and publication of the relay, in every namespace', () => {
    const names = new Names('blue');
    const { name, config } = outbox(names);
    expect(name).toBe('blue-scan-connector');
    expect(config).toMatchObject({
      'slot.name': names.slot('scan'),
      'publication.name': names.publication('scan'),
      'publication.autocreate.mode': 'disabled',
      'slot.drop.on.stop': 'false',
      'snapshot.mode': 'no_data',
      'offset.mismatch.strategy': 'trust_slot',
      'slot.failover': 'true',
      'transforms.outbox.route.topic.replacement': 'blue.events.${routedByValue}',
    });
    expect(outbox().name).toBe('scan-connector');
  });

  it('places exactly the headers of the envelope, in their order', () => {
    const placed = outbox().config['transforms.outbox.table.fields.additional.placement']?.split(',') ?? [];
    const names = placed.map((placement) => placement.split(':')[2] ?? placement.split(':')[0]);
    expect(['id', ...names, 'content-type']).toEqual(ENVELOPE_HEADERS);
  });

  it('knows declared topics and dead letters from all others', () => {
    const pattern = new RegExp(`^(?:${outbox().config['predicates.declared.pattern'] ?? ''})$`);
    expect(pattern.test('events.scan.completed')).toBe(true);
    expect(pattern.test('capture.scan.dlt')).toBe(true);
    expect(pattern.test('events.scan_completed')).toBe(false);
    expect(pattern.test('events.scan.completed.more')).toBe(false);
    expect(new RegExp(outbox().config['predicates.heartbeat.pattern'] ?? '').test('__debezium-heartbeat.scan-connector')).toBe(true);
  });

  it('copies text and bytes by the type of the column, and says which it is', () => {
    expect(outbox().config).toMatchObject({
      'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
      'transforms.contentType.value.literal': 'application/json',
      'transforms.outbox.table.expand.json.payload': 'false',
    });
    expect(outbox(new Names(), 'bytea').config).toMatchObject({
      'value.converter': 'io.debezium.converters.BinaryDataConverter',
      'transforms.contentType.value.literal': 'application/vnd.confluent.avro',
    });
  });
});

describe('the connector of whole tables', () => {
  const { name, config } = tableConnector({
    domain: 'auth',
    names: new Names(),
    database,
    tables: pipeline.domains.find((domain) => domain.name === 'auth')?.tables ?? [],
    failoverSlot: false,
  });

  it('has a slot and a publication of its own', () => {
    expect(name).toBe('auth-cdc-connector');
    expect(config).toMatchObject({ 'slot.name': 'millrace_auth_cdc', 'publication.name': 'millrace_auth_cdc' });
  });

  it('sends each table to the topic that the specification names', () => {
    const routes = Object.entries(config).filter(([setting]) => /^transforms\.to_.*\.(regex|replacement)$/.test(setting));
    expect(Object.fromEntries(routes)).toEqual({
      'transforms.to_users.regex': String.raw`auth-cdc-connector\.auth\.users`,
      'transforms.to_users.replacement': 'cdc.auth.users',
      'transforms.to_social_accounts.regex': String.raw`auth-cdc-connector\.auth\.user_social_accounts`,
      'transforms.to_social_accounts.replacement': 'cdc.auth.social_accounts',
      'transforms.to_login_audits.regex': String.raw`auth-cdc-connector\.auth\.login_audits`,
      'transforms.to_login_audits.replacement': 'cdc.auth.login_audits',
    });
  });
});

describe('what registering would change', () => {
  it('is nothing for what Connect has already', () => {
    const { name, config } = outbox();
    expect(changesOf(name, { ...config, name }, config)).toEqual([]);
  });

  it('is told setting by setting, without a password that somebody left there', () => {
    const { name, config } = outbox();
    const found: Record<string, string> = { ...config, 'database.password': 'in-plain-text', 'poll.interval.ms': '500' };
    expect(changesOf(name, found, config)).toEqual([
      `connector scan-connector: database.password *** → ${database.passwordReference}`,
      'connector scan-connector: poll.interval.ms 500 → 2',
    ]);
    expect(changesOf(name, undefined, config)).toEqual(['connector scan-connector: registered']);
  });
});
