import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cacheFolder } from '../../stack/native/cache.ts';
import { kafkaJars } from '../../stack/native/kafka.ts';
import { eventually } from '../support/eventually.ts';
import { LocalPipeline } from './local-pipeline.ts';

/** The product as a user runs it, on servers of its own: each test goes on where the one before it ended. */
const scratch = join(import.meta.dirname, '..', '..', '.millrace');
const pipeline = new LocalPipeline(mkdtempSync(join(scratch, 'e2e-')));
let token = '';
let firstScan = '';

interface Registered {
  readonly image_id: string;
  readonly scan_id: string;
  readonly trace_id: string;
}

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${pipeline.roles().apiUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  });
}

async function register(category: string, name: string): Promise<Registered> {
  const response = await call('POST', '/api/v1/images/register', { cdn_url: `https://cdn.example/classify-as/${category}/${name}.jpg` });
  expect(response.status).toBe(202);
  return (await response.json()) as Registered;
}

async function scanOf(registered: Registered): Promise<Record<string, unknown>> {
  const response = await call('GET', `/api/v1/scans/${registered.scan_id}`);
  if (response.status !== 200) throw new Error(`the scan answers ${response.status}`);
  return (await response.json()) as Record<string, unknown>;
}

async function scansOfWalker(source: string): Promise<number> {
  const response = await call('GET', '/api/v1/scans/me?limit=100');
  const { scans } = (await response.json()) as { scans: unknown[] };
  if (response.headers.get('x-read-source') !== source) throw new Error('answered by the other source');
  return scans.length;
}

beforeAll(async () => {
  const screen = await pipeline.start();
  expect(screen).toContain('curl -si');
  token = await pipeline.token('walker');
}, 300_000);

afterAll(async () => {
  await pipeline.remove();
}, 180_000);

describe('the whole way', () => {
  it('leads from a request to both read models, with one trace id from the answer to the last log line', async () => {
    const registered = await register('pet-bottle', 'first');
    firstScan = registered.scan_id;
    await eventually(async () => (await scanOf(registered))['reward_status'] === 'granted', { timeoutMs: 30_000 });
    const list = await eventually(
      async () => {
        const response = await call('GET', '/api/v1/characters/me');
        const { characters } = (await response.json()) as { characters: { name: string }[] };
        return characters.length === 1 && characters;
      },
      { timeoutMs: 30_000 },
    );
    expect(list[0]?.name).toBeTruthy();
    const ranking = await eventually(
      async () => {
        const response = await call('GET', '/api/v1/characters/ranking?period=weekly');
        const text = await response.text();
        return text.includes('walker') && text;
      },
      { timeoutMs: 30_000 },
    );
    expect(ranking).toContain('"count":1');
    for (const role of ['api', 'processor', 'projector']) {
      await eventually(() => pipeline.logOf(role).includes(registered.trace_id), { timeoutMs: 10_000 });
    }
    for (const line of pipeline.logOf('processor').trim().split('\n')) expect(() => JSON.parse(line) as unknown).not.toThrow();
  });

  it('takes the failure path: a second reward for the same character is refused and compensated', async () => {
    const registered = await register('pet-bottle', 'second');
    const scan = await eventually(
      async () => {
        const found = await scanOf(registered);
        return found['reward_status'] === 'failed' && found;
      },
      { timeoutMs: 30_000 },
    );
    expect(scan['failure_reason']).toBe('already_owned');
  });

  it("shows its topics to Kafka's own console consumer, with keys and headers as plain text", async () => {
    const jars = join(cacheFolder(), kafkaJars.name);
    const brokers = (JSON.parse(readFileSync(join(pipeline.folder, 'config.json'), 'utf8')) as { KAFKA_BROKERS: string }).KAFKA_BROKERS;
    const consume = async (topic: string): Promise<string> => {
      const options = ['--bootstrap-server', brokers, '--topic', topic, '--from-beginning', '--max-messages', '1', '--timeout-ms', '20000'];
      const shown = ['print.key=true', 'print.headers=true', 'print.value=false'].flatMap((property) => ['--formatter-property', property]);
      const java = ['-Xmx128m', '-XX:+UseSerialGC', '-cp', `${jars}/*`, 'org.apache.kafka.tools.consumer.ConsoleConsumer'];
      const { stdout } = await promisify(execFile)('java', [...java, ...options, ...shown], { timeout: 60_000 });
      return stdout;
    };
    for (const [topic, type] of [
      ['events.image.registered', 'ImageRegistered'],
      ['events.scan.completed', 'ScanCompleted'],
      ['events.scan.reward_compensated', 'ScanRewardCompensated'],
      ['events.character.acquired', 'CharacterAcquired'],
      ['events.character.acquire_failed', 'CharacterAcquireFailed'],
      ['events.my.profile_updated', 'ProfileUpdated'],
    ] as const) {
      const record = await consume(topic);
      expect(record, topic).toMatch(
        new RegExp(`id:[0-9a-f-]{36},type:${type},aggregatetype:[a-z]+,stream_id:[^,]+,version:\\d+,trace_id:[0-9a-f]{32}`),
      );
      expect(record, topic).toContain('\twalker');
    }
  });

  it('loses and doubles nothing while relay, processor and projector are killed under load', async () => {
    const demo = pipeline.millrace('demo', '--count', '2000', '--patience', '60', '--data-folder', pipeline.folder);
    // Should a kill go wrong, the demo's own end must not go unheard.
    demo.catch(() => undefined);
    const killed: string[] = [];
    const acceptedSoFar = async (): Promise<number> => {
      const metrics = await (await fetch(`${pipeline.roles().apiUrl}/metrics`)).text();
      return Number(/millrace_http_requests_total\{[^}]*status="202"[^}]*\} (\d+)/.exec(metrics)?.[1] ?? 0);
    };
    const before = await acceptedSoFar();
    for (const [index, role] of ['relay', 'processor', 'projector', 'relay', 'processor'].entries()) {
      await eventually(async () => (await acceptedSoFar()) > before + 200 * (index + 1), { timeoutMs: 120_000 });
      const pid = pipeline.pidOf(role);
      process.kill(pid, 'SIGKILL');
      killed.push(role);
      await eventually(() => pipeline.pidOf(role) !== pid && pipeline.pidOf(role) !== 0, { timeoutMs: 30_000 });
    }
    const output = await demo;
    expect(killed).toHaveLength(5);
    expect(output).toContain('all 2000 registrations arrived, field by field: nothing missing, nothing extra');
    process.stdout.write(output.slice(output.indexOf('from the commit')));
  });

  it('classifies by address, evolves what it earned, answers in a conversation, and shows any aggregate, now and then', async () => {
    const command = async (method: string, path: string, body?: unknown): Promise<Record<string, string>> => {
      const response = await call(method, `/api/v1${path}`, body);
      expect([path, response.status]).toEqual([path, 202]);
      return (await response.json()) as Record<string, string>;
    };
    const { task_id: scan_id = '' } = await command('POST', '/scan/classify', {
      image_url: 'https://cdn.example/classify-as/styrofoam/1.jpg',
    });
    await eventually(async () => (await scanOf({ scan_id, image_id: '', trace_id: '' }))['reward_status'] === 'granted', {
      timeoutMs: 30_000,
    });

    const { characters } = (await (await call('GET', '/api/v1/characters/me')).json()) as { characters: { id: string }[] };
    const { character_id = '' } = await command('POST', `/characters/${characters[0]!.id}/evolve`);
    const owned = async () => (await (await call('GET', '/api/v1/characters/me')).text()).includes(character_id);
    await eventually(owned, { timeoutMs: 30_000 });

    const { session_id = '' } = await command('POST', '/chat/conversations');
    const { answer_id = '' } = await command('POST', `/chat/conversations/${session_id}/messages`, { text: 'Where does paper go?' });
    const answered = async () => (await (await call('GET', `/api/v1/chat/conversations/${session_id}`)).text()).includes(answer_id);
    await eventually(answered, { timeoutMs: 30_000 });

    const show = async (...words: string[]): Promise<string> =>
      pipeline.millrace('aggregate', 'show', ...words, '--data-folder', pipeline.folder);
    expect(await show('conversation', session_id, '--history')).toMatch(
      /version {2}3\n[^]*ConversationStarted[^]*MessagePosted[^]*ChatResponded/,
    );
    const shown = JSON.parse(await show('scan', scan_id, '--last', '9', '--json')) as { history: { occurred_at: string }[] };
    const at = shown.history[0]!.occurred_at;
    expect(JSON.parse(await show('scan', scan_id, '--at', at, '--json'))).toMatchObject({ version: 1, state: { status: 'requested' } });
    await expect(show('scan', 'nobody')).rejects.toThrow('no scan has this id');
  });

  it('answers 202 with Kafka, registry, Redis and Elasticsearch all stopped, and everything arrives when they are back', async () => {
    await pipeline.stack('down', 'kafka,registry,redis,elasticsearch');
    const registered: Registered[] = [];
    for (const category of ['paper', 'cardboard', 'general-waste']) registered.push(await register(category, `outage-${category}`));
    const characters = await call('GET', '/api/v1/characters/me');
    expect(characters.status).toBe(200);
    expect(characters.headers.get('x-read-source')).toBe('write-database');
    await pipeline.stack('up', 'kafka,registry,redis,elasticsearch');
    const states = await eventually(
      async () => {
        const found = await Promise.all(registered.map(async (one) => (await scanOf(one))['reward_status']));
        return found.every((state) => state === 'granted' || state === 'none') && found;
      },
      { timeoutMs: 120_000, everyMs: 250 },
    );
    expect(states).toEqual(['granted', 'granted', 'none']);
  });

  it('answers 503 only while its own PostgreSQL is down, and accepts nothing that it could lose', async () => {
    await pipeline.stack('down', 'postgres');
    const refused = await call('POST', '/api/v1/images/register', { cdn_url: 'https://cdn.example/classify-as/battery/lost.jpg' });
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBeTruthy();
    expect((await fetch(`${pipeline.roles().apiUrl}/health/live`)).status).toBe(200);
    await eventually(async () => (await fetch(`${pipeline.roles().apiUrl}/health/ready`)).status === 503, { timeoutMs: 20_000 });
    await pipeline.stack('up', 'postgres');
    await eventually(async () => (await fetch(`${pipeline.roles().apiUrl}/health/ready`)).status === 200, { timeoutMs: 30_000 });
    const registered = await register('battery', 'after');
    await eventually(async () => (await scanOf(registered))['reward_status'] === 'granted', { timeoutMs: 60_000 });
  });

  it('stops everything on Ctrl-C and goes on from its data at the next start', async () => {
    const running = pipeline.roles();
    // A slow machine may be answered by the other source once.
    const scansBefore = await eventually(() => scansOfWalker('read-model'), { timeoutMs: 30_000 });
    const settings = JSON.parse(readFileSync(join(pipeline.folder, 'config.json'), 'utf8')) as { ELASTICSEARCH_URL: string };
    expect((await fetch(`${settings.ELASTICSEARCH_URL}/scans-v1`, { method: 'DELETE' })).status).toBe(200);
    const output = await pipeline.interrupt();
    expect(output).toContain('the data is kept');
    expect(pipeline.exitCode()).toBe(0);
    for (const { pid } of running.roles) expect(() => process.kill(pid, 0)).toThrow();
    await pipeline.start();
    expect(await (await call('GET', '/api/v1/characters/me')).text()).toContain('"characters"');
    expect((await call('GET', `/api/v1/scans/${firstScan}`)).status).toBe(200);
    // The index that was lost meanwhile is filled from the topics again, and not taken for whole while it is empty.
    await eventually(async () => (await scansOfWalker('read-model')) >= scansBefore, { timeoutMs: 60_000, everyMs: 500 });
    const registered = await register('glass-bottle', 'second-start');
    await eventually(async () => (await scanOf(registered))['reward_status'] === 'granted', { timeoutMs: 60_000 });
  });
});
