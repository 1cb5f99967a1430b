import { readFile } from 'node:fs/promises';
import type { BrokerAdmin, BrokerDriver, TopicDeclaration } from '../../core/broker.ts';
import type { SourceRecord } from '../../connectors/replication/source-record.ts';
import { KafkaSourceMemory } from '../../connectors/replication/source-memory.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import type { Lsn } from '../../core/lsn.ts';
import { parseLsn } from '../../core/lsn.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import type { CaptureDatabase } from '../support/capture-database.ts';
import { captureDatabase } from '../support/capture-database.ts';
import { bundledProgram } from '../support/bundled-program.ts';
import { eventually } from '../support/eventually.ts';
import { uniqueNamespace } from '../support/services.ts';
import { AcknowledgeWitness } from '../support/wire/acknowledge-witness.ts';
import type { ProduceSighting, ProduceWitness } from '../support/wire/produce-tap.ts';
import { ProduceTap } from '../support/wire/produce-tap.ts';
import { ReplicationTap } from '../support/wire/replication-tap.ts';
import { TappedProxy } from '../support/wire/tapped-proxy.ts';
import type { Evidence, Expected, Verdict } from './oracle.ts';
import { judge, readOutbox, readTopics } from './oracle.ts';
import { RELAY_PROGRAM, RelayProcess } from './relay-process.ts';
import type { RelayTask } from './relay-program.ts';
import type { WorkloadOptions } from './workload.ts';
import { ROUTES, Workload } from './workload.ts';

const MEMORY_TABLE = new URL('../../runtime/postgres/migrations/event-store/0004_capture_sources.sql', import.meta.url);

export interface Servers {
  readonly postgresUrl: string;
  readonly kafkaBrokers: string;
}

/** What differs from a relay with quick settings. */
export interface RelayOrder extends Partial<RelayTask> {
  /** How long the server waits for a relay that says nothing. */
  readonly walSenderTimeout?: string;
}

const CAUGHT_UP_WITHIN_MS = 60_000;

/**
 * One capture that is about to meet a fault: a database with writers, topics, relays as processes of their own, and between them
 * and their servers the witness. `verify` is the one oracle of all fault tests.
 */
export class CaptureUnderFault {
  readonly witness: AcknowledgeWitness;
  readonly produced: ProduceSighting[];
  readonly database: CaptureDatabase;
  readonly postgres: TappedProxy;
  readonly kafka: TappedProxy;
  /** Of all captures whose records go through this proxy. */
  readonly kafkaWitnesses: AcknowledgeWitness[];
  readonly admin: BrokerAdmin;
  readonly topics: readonly string[];
  readonly letters: string;
  private readonly memory: string;
  private readonly driver: BrokerDriver;
  private readonly brokers: readonly string[];
  private readonly topicConfig: Readonly<Record<string, string>>;
  private readonly relays: RelayProcess[] = [];
  private program = '';
  private readonly workloads: Workload[] = [];

  private constructor(
    parts: Pick<CaptureUnderFault, 'database' | 'witness' | 'produced' | 'postgres' | 'kafka' | 'kafkaWitnesses'>,
    brokers: readonly string[],
    topicConfig: Readonly<Record<string, string>>,
  ) {
    this.topicConfig = topicConfig;
    this.database = parts.database;
    this.witness = parts.witness;
    this.produced = parts.produced;
    this.postgres = parts.postgres;
    this.kafka = parts.kafka;
    this.kafkaWitnesses = parts.kafkaWitnesses;
    this.brokers = brokers;
    this.driver = createKafkaJsDriver({ brokers, clientId: 'test-fault', logger: SILENT_LOGGER });
    this.admin = this.driver.admin();
    this.topics = ROUTES.map((route) => this.database.names.eventTopic(route));
    this.memory = this.database.names.captureSourcesTopic();
    this.letters = this.database.names.captureDeadLetterTopic('image');
  }

  /** @param neighbour its relay runs in one process with this one's: they share their way to Kafka. */
  static async open(
    label: string,
    servers: Servers,
    topicConfig: Readonly<Record<string, string>> = {},
    neighbour?: CaptureUnderFault,
  ): Promise<CaptureUnderFault> {
    const database = await captureDatabase(label, servers.postgresUrl);
    await database.sql.query(`SET search_path = image; ${await readFile(MEMORY_TABLE, 'utf8')}; RESET search_path`);
    const witness = new AcknowledgeWitness();
    const produced: ProduceSighting[] = neighbour?.produced ?? [];
    const kafkaWitnesses = neighbour?.kafkaWitnesses ?? [];
    kafkaWitnesses.push(witness);
    const brokers = servers.kafkaBrokers.split(',');
    const postgres = await TappedProxy.open(addressOf(new URL(servers.postgresUrl).host), () => new ReplicationTap(witness));
    const all: ProduceWitness = {
      acknowledged: (ids) => kafkaWitnesses.forEach((each) => each.acknowledged(ids)),
      blind: (what) => kafkaWitnesses.forEach((each) => each.blind(what)),
    };
    const kafka =
      neighbour?.kafka ??
      (await TappedProxy.open(addressOf(brokers[0]!), () => new ProduceTap(all, (sighting) => produced.push(sighting))));
    const capture = new CaptureUnderFault({ database, witness, produced, postgres, kafka, kafkaWitnesses }, brokers, topicConfig);
    await capture.ensureTopics();
    capture.program = await bundledProgram(RELAY_PROGRAM);
    return capture;
  }

  async ensureTopics(): Promise<void> {
    // A topic that was just made, or a broker that just came, is not known everywhere at once.
    await eventually(() => this.admin.ensureTopics(this.declared).then(() => true), { timeoutMs: 20_000 });
  }

  private get declared(): TopicDeclaration[] {
    const common = { partitions: 3, retentionMs: 3_600_000, replicationFactor: 1 };
    return [
      ...this.topics.map((topic) => ({ topic, ...common, config: this.topicConfig })),
      { topic: this.letters, ...common },
      { topic: this.memory, ...common, partitions: 1, retentionMs: -1, config: { 'cleanup.policy': 'compact' } },
    ];
  }

  /** A relay at work that closes gaps by itself, through the same proxies, so that the witness sees what the repair publishes. */
  repairingRelay(): Promise<RelayProcess> {
    return this.startedRelay({ repairs: this.declared });
  }

  /** Resolves when a repair was done since the first start, the relay streams again, and all that was committed until then is in Kafka. */
  async repaired(relay: RelayProcess): Promise<void> {
    await this.untilMemory((record) => (record?.epoch ?? 0) > 1, CAUGHT_UP_WITHIN_MS);
    await eventually(async () => (await relay.health()).report.facts?.['state'] === 'streaming', { timeoutMs: 30_000 });
    await this.published();
  }

  /** A relay behind the two proxies, with quick settings. Not awaited: it may be meant to die on its way. */
  relay({ walSenderTimeout = '20s', ...task }: RelayOrder = {}): RelayProcess {
    const relay = new RelayProcess(this.program, {
      ...this.source(walSenderTimeout),
      routes: ROUTES,
      brokers: this.brokers,
      kafkaPort: this.kafka.port,
      kafkaTimeoutMs: 3_000,
      wire: 'json',
      ...task,
      settings: {
        statusDelayMs: 5,
        statusIntervalMs: 1_000,
        publicationLookMs: 100,
        standbyPollMs: 100,
        reconnectMaxMs: 500,
        retryMaxMs: 500,
        confirmTimeoutMs: 5_000,
        gapPollMs: 200,
        ...task.settings,
      },
    });
    this.relays.push(relay);
    return relay;
  }

  /** A relay that is at work: streaming, or waiting as a standby. */
  async startedRelay(task: RelayOrder = {}): Promise<RelayProcess> {
    const relay = this.relay(task);
    const refusal = await relay.started();
    if (refusal !== undefined) throw new Error(`the relay refused to start: ${refusal}`);
    return relay;
  }

  /** Resolves when the relay stands in a gap, and says for which reason: the code of the error that health shows. */
  async gapOf(relay: RelayProcess): Promise<string | undefined> {
    await eventually(async () => (await relay.health()).report.facts?.['state'] === 'gap', { timeoutMs: 30_000 });
    const { status, detail } = (await relay.health()).report;
    return status === 'down' ? detail?.split(':')[0] : undefined;
  }

  /** Resolves once the capture remembers records of the topic: what was never remembered cannot be missed. */
  async untilRemembered(topic: string): Promise<void> {
    await this.untilMemory((record) => {
      const known = record?.topics.find((one) => one.topic === topic);
      return known !== undefined && Object.values(known.ends).some((end) => end > 0n);
    });
  }

  /** Resolves once the memory knows the dead-letter topic as it is. */
  async untilLettersAreKnown(): Promise<void> {
    await this.untilMemory((record) => record?.topics.some(({ topic }) => topic === this.letters) === true);
  }

  /** Resolves once everything that the topics hold now is remembered. */
  async untilEndsAreRemembered(): Promise<void> {
    const ends = await this.admin.offsets(this.topics);
    await this.untilMemory((record) =>
      ends.every(({ topic, partition, end }) => record?.topics.find((one) => one.topic === topic)?.ends[partition] === end),
    );
  }

  /** Resolves once the relay has found out that something is wrong, or has mended it already. */
  async untilGapOrRepair(relay: RelayProcess): Promise<void> {
    const isGap = async (): Promise<boolean> => (await relay.health()).report.facts?.['state'] === 'gap';
    await Promise.race([
      eventually(isGap, { timeoutMs: CAUGHT_UP_WITHIN_MS, everyMs: 5 }),
      this.untilMemory((record) => (record?.epoch ?? 0) > 1, CAUGHT_UP_WITHIN_MS),
    ]);
  }

  async pauseWriters(): Promise<void> {
    for (const workload of this.workloads) await workload.stop();
  }

  private async untilMemory(is: (record: SourceRecord | undefined) => boolean, timeoutMs = 30_000): Promise<void> {
    const reader = this.driver.logReader();
    const memory = new KafkaSourceMemory(this.memory, this.driver.producer({ clientId: 'test-memory' }), reader);
    const { names } = this.database;
    try {
      await eventually(async () => is(await memory.read(names.slot('image'))), { timeoutMs });
    } finally {
      await reader.stop();
    }
  }

  /** Where a relay finds what it captures. */
  source(walSenderTimeout = '20s'): { readonly url: string; readonly namespace: string } {
    const url = new URL(this.database.url);
    url.host = `127.0.0.1:${this.postgres.port}`;
    url.searchParams.set('options', `-c wal_sender_timeout=${walSenderTimeout}`);
    return { url: url.toString(), namespace: this.database.names.namespace };
  }

  workload(options: WorkloadOptions = {}): Workload {
    const workload = new Workload(this.database, { seed: this.workloads.length + 1, ...options });
    this.workloads.push(workload);
    return workload;
  }

  /** Resolves when Kafka has acknowledged everything that is known to be committed now. */
  async published(timeoutMs = CAUGHT_UP_WITHIN_MS): Promise<void> {
    const ids = this.workloads.flatMap((workload) => [...workload.committed]);
    await eventually(() => ids.every((id) => this.witness.isAcknowledged(id)), { timeoutMs, everyMs: 5 });
  }

  /** From now until everything that was committed until now is in Kafka, by the wire; milliseconds. */
  async recovery(): Promise<number> {
    const begun = performance.now();
    await this.published();
    return performance.now() - begun;
  }

  /** Resolves once so many more rows are acknowledged: the stream moves. */
  async moves(rows = 20): Promise<void> {
    const before = this.witness.acknowledgedIds.size;
    await eventually(() => this.witness.acknowledgedIds.size >= before + rows, { timeoutMs: 30_000 });
  }

  /** Resolves once so many more rows are committed, published or not. */
  async moreRows(rows: number): Promise<void> {
    const committed = (): number => this.workloads.reduce((sum, workload) => sum + workload.committed.size, 0);
    const before = committed();
    await eventually(() => committed() >= before + rows, { timeoutMs: 30_000 });
  }

  /** How far PostgreSQL has written, bytes. */
  async walPosition(): Promise<number> {
    const { rows } = await this.database.sql.query<{ bytes: string }>(`SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS bytes`);
    return Number(rows[0]!.bytes);
  }

  /** What the server says of the slot's log: `reserved` … `lost`. */
  async walStatus(): Promise<string | undefined> {
    const slot = this.database.names.slot('image');
    const { rows } = await this.database.sql.query<{ status: string }>(
      'SELECT wal_status AS status FROM pg_replication_slots WHERE slot_name = $1',
      [slot],
    );
    return rows[0]?.status;
  }

  async confirmedLsn(): Promise<Lsn> {
    return parseLsn(await this.database.confirmedFlushLsn());
  }

  /**
   * The oracle: writers end, lag returns to 0, and then everything is judged. Prints one line: what happened, how long it took to
   * recover, and how many duplicates it cost.
   * @param order unknown when no slot is left that could tell the order of the commits.
   */
  async verify(fault: string, recoveryMs: number, expected: Expected = {}, order: 'known' | 'unknown' = 'known'): Promise<Verdict> {
    await this.pauseWriters();
    const commits = order === 'known' ? await this.database.commits() : undefined;
    const end = commits === undefined ? parseLsn(await this.database.writtenLsn()) : (commits.at(-1)?.endLsn ?? (0n as Lsn));
    await eventually(async () => (await this.confirmedLsn()) >= end, { timeoutMs: CAUGHT_UP_WITHIN_MS });
    return this.judged(fault, recoveryMs, commits, expected);
  }

  /**
   * As `verify`, for a relay that will never go on by itself: what it did not publish is owed, all else must be right.
   * @param gone rows that were published and went with their topic.
   * @param order unknown when no slot is left that could tell the order of the commits.
   */
  async verifyStandstill(fault: string, order: 'known' | 'unknown', gone: readonly string[] = []): Promise<Verdict> {
    await this.pauseWriters();
    const commits = order === 'known' ? await this.database.commits() : undefined;
    const known = [...(await readOutbox(this.database)), ...(commits ?? []), ...this.workloads.flatMap(({ fired }) => fired)];
    const excused = new Set([...gone, ...known.map(({ id }) => id).filter((id) => !this.witness.isAcknowledged(id))]);
    return this.judged(`${fault}; ${excused.size} events are owed`, 0, commits, {
      excused,
    });
  }

  /** Ends relays in whatever state they are, and removes everything from the servers that are still there. */
  async close(): Promise<void> {
    for (const workload of this.workloads) await workload.stop();
    for (const relay of this.relays) await relay.kill();
    await this.postgres.close();
    // The first of those who share it.
    if (this.kafkaWitnesses[0] === this.witness) await this.kafka.close();
    await this.admin.deleteTopics([...this.topics, this.letters, this.memory]);
    await this.admin.stop();
    await this.database.drop();
  }

  readLetters(): Promise<ConsumedRecord[]> {
    return this.readTopic(this.letters);
  }

  async readTopic(topic: string): Promise<ConsumedRecord[]> {
    return readTopics(this.driver, this.database.names.processorGroup(uniqueNamespace('oracle')), [topic]);
  }

  private async judged(fault: string, recoveryMs: number, commits: Evidence['commits'], expected: Expected): Promise<Verdict> {
    const group = this.database.names.processorGroup(uniqueNamespace('oracle'));
    const records = await readTopics(this.driver, group, [...this.topics, this.letters]);
    const evidence: Evidence = {
      rows: await readOutbox(this.database),
      records: records.filter((record) => record.topic !== this.letters),
      letters: records.filter((record) => record.topic === this.letters),
      commits,
    };
    const verdict = judge(evidence, this.workloads, this.witness, expected);
    process.stdout.write(
      `fault: ${fault} | recovered in ${Math.round(recoveryMs)} ms | ${verdict.duplicates} duplicates of ${verdict.rows} events\n`,
    );
    return verdict;
  }
}

function addressOf(hostAndPort: string): { host: string; port: number } {
  const at = hostAndPort.lastIndexOf(':');
  return { host: hostAndPort.slice(0, at), port: Number(hostAndPort.slice(at + 1)) };
}
