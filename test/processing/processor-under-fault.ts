import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import avsc from 'avsc';
import pg from 'pg';
import type { BrokerAdmin, BrokerDriver, Producer } from '../../core/broker.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { ProducerRecord } from '../../core/record.ts';
import { headerText, utf8, utf8Text } from '../../core/record.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { migrateDomain } from '../../runtime/postgres/migrate.ts';
import { createSchemaRegistry } from '../../schemas/registry.ts';
import { encodeFrame } from '../../schemas/wire-format.ts';
import { readTopics } from '../capture/oracle.ts';
import { BANK_MIGRATION } from '../support/bank-domain.ts';
import { bundledProgram } from '../support/bundled-program.ts';
import { ChildProgram } from '../support/child-program.ts';
import { eventHeaders } from '../support/consumed-record.ts';
import { eventually } from '../support/eventually.ts';
import type { TemporaryDatabases } from '../support/temporary-databases.ts';
import { temporaryDatabases } from '../support/temporary-databases.ts';
import { ORDER_SCHEMA } from './deposits.ts';
import type { Order } from './deposits.ts';
import type { Effect, SentOrder, Verdict } from './processor-oracle.ts';
import { judge } from './processor-oracle.ts';
import type { Books, ProcessorNews, ProcessorOrder, ProcessorTask } from './processor-program.ts';

const PROGRAM = 'test/processing/processor-program.ts';
const PARTITIONS = 3;
const OWNERS = 12;
const QUIET_WITHIN_MS = 90_000;
const ORDER_TYPE = avsc.Type.forSchema(ORDER_SCHEMA as unknown as avsc.Schema);

export interface Servers {
  readonly postgresUrl: string;
  readonly kafkaBrokers: string;
  readonly registryUrl: string;
}

export type Processor = ChildProgram<ProcessorNews, { readonly order: ProcessorOrder }>;

/**
 * One processor group that is about to meet a fault: a database, topics, members in processes of their own, and orders that go on
 * coming. `verify` is the one oracle of all fault tests of processing.
 */
export class ProcessorUnderFault {
  readonly topic: string;
  readonly letters: string;
  readonly group: string;
  readonly admin: BrokerAdmin;
  readonly sent: SentOrder[] = [];
  private readonly servers: Servers;
  private readonly databases: TemporaryDatabases;
  private readonly stateFolder: string;
  private readonly driver: BrokerDriver;
  private readonly producer: Producer;
  private readonly processors: Processor[] = [];
  private readonly subject: string;
  private schemaId = 0;
  private feeding: Promise<void> | undefined;
  private fed = false;
  private sql!: pg.Client;
  private program = '';

  private constructor(label: string, servers: Servers, stateFolder: string) {
    this.servers = servers;
    this.stateFolder = stateFolder;
    this.databases = temporaryDatabases(label, servers.postgresUrl);
    const { namespace } = this.databases;
    this.topic = `${namespace}.events.order`;
    this.letters = `${this.topic}.dlt`;
    this.group = `${namespace}.processor.bank`;
    this.subject = `${this.topic}-value`;
    this.driver = createKafkaJsDriver({
      brokers: servers.kafkaBrokers.split(','),
      clientId: 'test-fault',
      logger: SILENT_LOGGER,
      requestTimeoutMs: 5_000,
    });
    this.admin = this.driver.admin();
    this.producer = this.driver.producer({ clientId: 'test-fault' });
  }

  static async open(label: string, servers: Servers): Promise<ProcessorUnderFault> {
    const stateFolder = await mkdtemp(join(tmpdir(), 'millrace-fault-'));
    await writeFile(join(stateFolder, '0001_accounts.sql'), BANK_MIGRATION);
    const fault = new ProcessorUnderFault(label, servers, stateFolder);
    await migrateDomain({ databaseUrl: fault.databases.url('bank'), domain: 'bank', stateFolder, logger: SILENT_LOGGER });
    fault.program = await bundledProgram(PROGRAM);
    await fault.reconnect();
    await fault.producer.start();
    await fault.ensureTopics([fault.topic, fault.letters]);
    const registry = createSchemaRegistry({ url: servers.registryUrl, logger: SILENT_LOGGER });
    // A registry that has just started may take its time over the first answer.
    fault.schemaId = (await eventually(() => registry.register(fault.subject, ORDER_SCHEMA), { timeoutMs: 60_000 })).id;
    return fault;
  }

  /** After PostgreSQL was away. */
  async reconnect(): Promise<void> {
    const client = new pg.Client({ connectionString: this.databases.url('bank') });
    // A server that is killed ends its sessions; whoever uses one then is told by the query that fails.
    client.on('error', () => undefined);
    await client.connect();
    this.sql = client;
  }

  async ensureTopics(topics: readonly string[]): Promise<void> {
    const declared = topics.map((topic) => ({ topic, partitions: PARTITIONS, retentionMs: 3_600_000, replicationFactor: 1 }));
    await eventually(() => this.admin.ensureTopics(declared).then(() => true), { timeoutMs: 30_000 });
  }

  /** As its members know it. */
  get databaseUrl(): string {
    return this.databases.url('bank');
  }

  /** How many dead letters there are by now. */
  async lettersWritten(): Promise<number> {
    const offsets = await this.admin.offsets([this.letters]);
    return offsets.reduce((sum, { earliest, end }) => sum + Number(end - earliest), 0);
  }

  /** Not awaited: it may be meant to die on its way. */
  processor(task: Partial<ProcessorTask> = {}): Processor {
    const processor: Processor = new ChildProgram(this.program, {
      databaseUrl: this.databaseUrl,
      brokers: this.servers.kafkaBrokers.split(','),
      registryUrl: this.servers.registryUrl,
      group: this.group,
      topic: this.topic,
      letters: this.letters,
      sessionTimeoutMs: 6_000,
      retryDelaysMs: [300, 600],
      ...task,
    } satisfies ProcessorTask);
    this.processors.push(processor);
    return processor;
  }

  async startedProcessor(task: Partial<ProcessorTask> = {}): Promise<Processor> {
    const processor = this.processor(task);
    await processor.next('joined');
    return processor;
  }

  /** Sends the next orders of all owners, some of them flaky, some poison. Resolves when Kafka has them; sends again until it has. */
  async order(count: number): Promise<readonly SentOrder[]> {
    const orders = Array.from({ length: count }, () => this.nextOrder());
    await this.send(orders);
    return orders;
  }

  /** Once more, in any order. */
  async send(orders: readonly SentOrder[]): Promise<void> {
    const records = orders.map((order) => this.recordOf(order));
    await eventually(() => this.producer.send(records).then(() => true), { timeoutMs: 120_000, everyMs: 200 });
  }

  /** Orders go on coming until `verify`. */
  feed(perRound = 6, pauseMs = 40): void {
    this.fed = true;
    this.feeding = (async () => {
      while (this.fed) {
        await this.order(perRound);
        await after(pauseMs);
      }
    })();
  }

  async stopFeeding(): Promise<void> {
    this.fed = false;
    await this.feeding;
  }

  /** Resolves once so many more orders have been deposited: the group gets on. */
  async moves(more = 20): Promise<void> {
    const before = await this.deposits();
    await eventually(async () => (await this.deposits()) >= before + more, { timeoutMs: 60_000, everyMs: 50 });
  }

  async deposits(): Promise<number> {
    const { rows } = await this.sql.query<{ count: string }>('SELECT count(*) AS count FROM bank.events');
    return Number(rows[0]!.count);
  }

  /** From now until everything that was sent until now has left the group for good; milliseconds. */
  async recovery(): Promise<number> {
    const begun = performance.now();
    const ends = await eventually(() => this.admin.offsets([this.topic]), { timeoutMs: 30_000 });
    await eventually(
      async () => {
        const committed = await this.committed();
        return ends.every(({ partition, end }) => end === 0n || (committed.get(partition) ?? 0n) >= end);
      },
      { timeoutMs: QUIET_WITHIN_MS, everyMs: 50 },
    );
    return performance.now() - begun;
  }

  /**
   * Resolves once everything but the order and what comes behind it for its owner has come to its end, and everything before its
   * record is committed. What was sent is in its partition once.
   */
  async allBut(held: SentOrder): Promise<void> {
    const waits = ({ owner_id, n }: SentOrder): boolean => owner_id === held.owner_id && n >= held.n;
    const others = this.sent.filter((order) => order.kind !== 'poison' && !waits(order)).length;
    const partition = partitionOf(held);
    const offset = this.sent.slice(0, this.sent.indexOf(held)).filter((order) => partitionOf(order) === partition).length;
    await eventually(async () => (await this.deposits()) === others, { timeoutMs: 60_000, everyMs: 50 });
    await eventually(async () => ((await this.committed()).get(partition) ?? 0n) >= BigInt(offset), { timeoutMs: 30_000, everyMs: 50 });
  }

  /** No more orders come, and all of them have come to their end, also those that waited. */
  async quiet(): Promise<void> {
    await this.stopFeeding();
    await this.recovery();
    await eventually(async () => (await this.parked()).size === 0, { timeoutMs: QUIET_WITHIN_MS, everyMs: 100 });
  }

  /** How many are in the group, as the broker knows it. */
  async members(): Promise<number> {
    return (await this.admin.members(this.group)).length;
  }

  async committed(): Promise<Map<number, bigint>> {
    return new Map((await this.admin.committed(this.group, [this.topic])).map(({ partition, offset }) => [partition, offset]));
  }

  /**
   * The oracle: no more orders come, lag returns to 0, and then everything is judged. Prints one line: what happened, how long it
   * took to recover, how often a record was handled again, and how often its letter was written again.
   * @param passedOver what somebody else has moved the group's offsets past.
   */
  async verify(fault: string, recoveryMs: number, passedOver: readonly SentOrder[] = []): Promise<Verdict & { readonly repeated: number }> {
    await this.quiet();
    const books = await this.books();
    const all = await readTopics(this.driver, `${this.group}.oracle`, [this.topic, this.letters]);
    const verdict = judge({
      sent: this.sent,
      records: all.filter(({ topic }) => topic === this.topic),
      letters: all.filter(({ topic }) => topic === this.letters),
      effects: await this.effects(),
      outbox: new Set((await this.sql.query<{ id: string }>('SELECT id FROM bank.outbox')).rows.map(({ id }) => id)),
      parked: await this.parked(),
      committed: await this.committed(),
      passedOver: new Set(passedOver.map(({ id }) => id)),
      books,
    });
    const repeated = this.handledAgain();
    process.stdout.write(
      `fault: ${fault} | recovered in ${Math.round(recoveryMs)} ms | ${verdict.orders} orders, ${repeated} handled again | ` +
        `${verdict.letters} letters, ${verdict.repeatedLetters} written again\n`,
    );
    return { ...verdict, repeated };
  }

  /** Ends members in whatever state they are, and removes everything from the servers. */
  async close(): Promise<void> {
    await this.stopFeeding();
    for (const processor of this.processors) await processor.kill();
    await this.sql.end();
    await this.producer.stop();
    await this.admin.deleteTopics([this.topic, this.letters]);
    await eventually(() => this.admin.deleteGroups([this.group]).then(() => true), { timeoutMs: 30_000, everyMs: 500 });
    await this.admin.stop();
    await this.databases.dropAll();
    await fetch(`${this.servers.registryUrl}/subjects/${this.subject}`, { method: 'DELETE' });
    await rm(this.stateFolder, { recursive: true, force: true });
  }

  private nextOrder(): SentOrder {
    const at = this.sent.length;
    const n = Math.floor(at / OWNERS) + 1;
    const kind: Order['kind'] = at % 53 === 17 ? 'poison' : at % 37 === 11 ? 'flaky' : at % 29 === 7 ? 'called' : 'plain';
    const order = { id: `00000000-0000-4000-8000-${(at + 1).toString(16).padStart(12, '0')}`, owner_id: `owner-${at % OWNERS}`, n, kind };
    this.sent.push(order);
    return order;
  }

  private recordOf(order: SentOrder): ProducerRecord {
    const { id, owner_id, n, kind } = order;
    return {
      topic: this.topic,
      partition: partitionOf(order),
      key: utf8(owner_id),
      value: encodeFrame(this.schemaId, ORDER_TYPE.toBuffer({ owner_id, n, kind })),
      headers: eventHeaders({ id, type: 'DepositOrdered', streamId: owner_id }),
    };
  }

  /** Attempts beyond the first at an order that is not flaky: it was delivered again. */
  private handledAgain(): number {
    const handled = this.processors.flatMap(({ heard }) => heard.flatMap((news) => (news.is === 'handling' ? [news.id] : [])));
    const flaky = new Set(this.sent.filter(({ kind }) => kind === 'flaky').map(({ id }) => id));
    const firm = handled.filter((id) => !flaky.has(id));
    return firm.length - new Set(firm).size;
  }

  private async books(): Promise<Books[]> {
    const living = this.processors.filter(({ isOver }) => !isOver);
    const seen = await Promise.all(living.map(async (processor) => (await processor.ask({ order: 'look' }, 'seen')).books));
    const left = this.processors.flatMap(({ heard }) => heard.flatMap((news) => (news.is === 'left' ? [news.books] : [])));
    return [...seen, ...left];
  }

  private async effects(): Promise<Effect[]> {
    const { rows } = await this.sql.query<{ event_id: string; owner: string; version: string; order_id: string; n: string }>(
      `SELECT event_id, aggregate_id AS owner, sequence_number AS version, payload->>'note' AS order_id, payload->>'amount' AS n
       FROM bank.events ORDER BY aggregate_id, sequence_number`,
    );
    return rows.map((row) => ({
      eventId: row.event_id,
      orderId: row.order_id,
      owner: row.owner,
      version: Number(row.version),
      n: Number(row.n),
    }));
  }

  private async parked(): Promise<Set<string>> {
    const { rows } = await this.sql.query<{ names: Uint8Array[]; values: Uint8Array[] }>(
      'SELECT header_names AS names, header_values AS values FROM bank.parked_records',
    );
    return new Set(
      rows.map(
        ({ names, values }) =>
          headerText(
            names.map((name, index) => [utf8Text(name), values[index] ?? null]),
            'id',
          ) ?? '',
      ),
    );
  }
}

function partitionOf({ owner_id }: SentOrder): number {
  return Number(owner_id.slice('owner-'.length)) % PARTITIONS;
}
