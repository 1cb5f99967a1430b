import { randomBytes } from 'node:crypto';
import type { ClassifiedError } from '../../core/errors.ts';
import type { CallName, Calls } from '../../core/calls.ts';
import type { HealthReport } from '../../core/lifecycle.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { offset } from '../../core/offset.ts';
import type { RecordToPark } from '../../core/parked-records.ts';
import type { ProducerRecord } from '../../core/record.ts';
import { headerText, utf8Text } from '../../core/record.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import type { Database } from '../../runtime/postgres/database.ts';
import { createDatabase } from '../../runtime/postgres/database.ts';
import { createParkedRecords, enqueueParked } from '../../runtime/postgres/parked-records.ts';
import { createBatchedSteps } from '../../runtime/postgres/steps/batched-steps.ts';
import { createStepDatabase } from '../../runtime/postgres/steps/step-database.ts';
import { createUnitOfWork } from '../../runtime/postgres/unit-of-work.ts';
import { isProcessed } from '../../runtime/postgres/inbox-statements.ts';
import type { TopicBalance } from '../../runtime/processing/balance.ts';
import type { ConsumerGroup } from '../../runtime/processing/consumer-group.ts';
import { createConsumerGroup } from '../../runtime/processing/consumer-group.ts';
import type { EventHandler } from '../../runtime/processing/event-handler.ts';
import type { FailpointLabel } from '../../runtime/processing/failpoint.ts';
import { createReactionHandler } from '../../runtime/processing/reaction-handler.ts';
import { createPayloadDecoder } from '../../schemas/codec.ts';
import { createSchemaRegistry } from '../../schemas/registry.ts';
import { bank, bankCatalogue, bankValidator } from '../support/bank-domain.ts';
import { failedWith } from '../support/group-under-test.ts';
import { systemClock } from '../support/system-clock.ts';
import type { Order } from './deposits.ts';
import { DepositOrdered, ORDER_SCHEMA, depositing } from './deposits.ts';

/**
 * Beside the places of the loop, those around the statements of a step (the one that writes is a transaction of its own), around a
 * declared call, and around the giving back of a letter.
 */
export type ProcessorFailpoint =
  | FailpointLabel
  | 'before-step-read'
  | 'before-step-write'
  | 'after-step-write'
  | 'before-call'
  | 'after-call'
  | 'before-enqueue'
  | 'after-enqueue';

/** What a processor in a process of its own is told on its command line. */
export interface ProcessorTask {
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
  readonly registryUrl: string;
  readonly group: string;
  readonly topic: string;
  readonly letters: string;
  readonly sessionTimeoutMs: number;
  readonly retryDelaysMs: readonly number[];
  /** What happens at the n-th visit of a place: the process kills itself without a farewell, or waits there to be released. */
  readonly failpoint?: { readonly at: ProcessorFailpoint; readonly onVisit: number; readonly then: 'die' | 'hold' };
  /** The id of an order that is not handled to its end before it is released. */
  readonly holds?: string;
}

/** `leave` and `join`: the member, not the process. The clock is the one of the calendar, which somebody sets while the process runs. */
export type ProcessorOrder = 'look' | 'release' | 'join' | 'leave' | 'stop' | 'clock-back' | 'clock-forward';
export type Books = TopicBalance & { readonly inFlight: number };

export type ProcessorNews =
  | { readonly is: 'joined' }
  | { readonly is: 'held' }
  | { readonly is: 'handling'; readonly id: string }
  | { readonly is: 'fatal'; readonly code: string }
  | { readonly is: 'left'; readonly books: Books }
  | { readonly is: 'seen'; readonly report: HealthReport; readonly books: Books; readonly foreignOffsets: number };

const CLOCK_STEP_MS = 3_600_000;

const task = JSON.parse(process.argv[2] ?? '{}') as ProcessorTask;
const logger = SILENT_LOGGER;
const driver = createKafkaJsDriver({ brokers: task.brokers, clientId: 'test-processor', logger, requestTimeoutMs: 5_000 });
const producer = driver.producer({ clientId: 'test-processor' });
const database = createDatabase({ url: task.databaseUrl, domain: 'bank', logger, poolMax: 4 });
const batches = createStepDatabase({ url: task.databaseUrl, domain: 'bank', batchesMax: 2, logger });
const visits = new Map<string, number>();
let release: () => void = () => undefined;
let group: ConsumerGroup | undefined;

const store = { database, domain: bank, catalogue: bankCatalogue, validator: bankValidator, logger };
const reactions = createReactionHandler({
  processor: depositing,
  steps: createBatchedSteps({
    ...store,
    batches: watched(batches),
    unitOfWork: createUnitOfWork(store),
    metrics: NO_METRICS,
    clock: systemClock,
    batchMax: 16,
    inFlightMax: 2,
    aloneMax: 1,
    lockedMax: 1,
  }),
  isProcessed: (key) => isProcessed(database, 'bank', key),
  calls: {
    run: async <N extends CallName>(): Promise<Calls[N]['result']> => {
      await visit('before-call');
      const result: Calls['classify']['result'] = { kind: 'classified', category: 'paper', confidence: 1 };
      await visit('after-call');
      return result;
    },
  },
  random: (length) => randomBytes(length),
  logger,
  clock: systemClock,
});

process.on('message', (order: { readonly order: ProcessorOrder }) => void obey(order.order));
// Whoever started this process is gone.
process.on('disconnect', () => process.exit(1));
await producer.start();
await join();

async function obey(order: ProcessorOrder): Promise<void> {
  switch (order) {
    case 'look':
      if (group !== undefined) tell({ is: 'seen', report: group.health()[0]!, books: group.balance(), foreignOffsets: foreignOffsets() });
      return;
    case 'release':
      release();
      return;
    case 'join':
      return join();
    case 'leave':
      return leave();
    case 'clock-back':
      setClock(-CLOCK_STEP_MS);
      return;
    case 'clock-forward':
      setClock(CLOCK_STEP_MS);
      return;
    case 'stop':
      await leave();
      await producer.stop();
      await batches.stop();
      await database.stop();
      process.disconnect();
  }
}

function setClock(byMs: number): void {
  const before = Date.now;
  Date.now = () => before() + byMs;
}

function foreignOffsets(): number {
  const consumer = driver.health().find(({ name }) => name === `kafka.consumer.${task.group}`);
  return Number(consumer?.facts?.['foreign_offsets']);
}

async function join(): Promise<void> {
  group = createConsumerGroup({
    group: task.group,
    service: 'test',
    topics: [task.topic],
    broker: driver,
    producer: { send: sendAndGiveBack },
    decoder: createPayloadDecoder({
      registry: createSchemaRegistry({ url: task.registryUrl, logger, requestTimeoutMs: 1_000 }),
      readerSchemaOf: (type) => (type === DepositOrdered.type ? ORDER_SCHEMA : undefined),
    }),
    handler: handle,
    wanted: new Set([DepositOrdered.type]),
    known: new Set([DepositOrdered.type]),
    deadLetterTopicOf: () => task.letters,
    retryPolicy: { delaysMs: task.retryDelaysMs, jitter: 0.2 },
    // What is held is not to be parked: then commits might pass it.
    handlerTimeoutMs: task.holds === undefined ? 10_000 : 120_000,
    limits: { concurrencyMax: 16 },
    parked: createParkedRecords({ database, group: task.group }),
    parkedLookMs: 200,
    sessionTimeoutMs: task.sessionTimeoutMs,
    rebalanceTimeoutMs: 10_000,
    metrics: NO_METRICS,
    logger,
    clock: systemClock,
    random: Math.random,
    failpoint: visit,
    onFatal: (error: ClassifiedError) => tell({ is: 'fatal', code: error.code }),
  });
  await group.start(new AbortController().signal);
  tell({ is: 'joined' });
}

async function leave(): Promise<void> {
  const leaving = group;
  group = undefined;
  if (leaving === undefined) return;
  await leaving.stop(AbortSignal.timeout(15_000));
  tell({ is: 'left', books: leaving.balance() });
}

async function handle(...[event, context]: Parameters<EventHandler>): ReturnType<EventHandler> {
  tell({ is: 'handling', id: event.id });
  if (event.id === task.holds) await held();
  const { kind } = event.payload as Order;
  return kind === 'flaky' && context.attempt === 1 ? failedWith('HANDLER_FAILED', 'not at the first attempt') : reactions(event, context);
}

const givenBack = new Set<string>();

/** As an operator would who replays each letter once, the moment it is there. */
async function sendAndGiveBack(letters: readonly ProducerRecord[]): Promise<void> {
  await producer.send(letters);
  if (!/-enqueue$/.test(task.failpoint?.at ?? '')) return;
  for (const letter of letters) {
    const row = rowOf(letter);
    if (givenBack.has(row.event?.id ?? '')) continue;
    givenBack.add(row.event?.id ?? '');
    await visit('before-enqueue');
    await enqueueParked(database, task.group, [row]);
    await visit('after-enqueue');
  }
}

function rowOf({ headers, key, value, partition = 0 }: ProducerRecord): RecordToPark {
  const text = (name: string): string => headerText(headers, name) ?? '';
  const record = {
    ...{ topic: task.topic, partition, offset: offset(BigInt(text('dlt-original-offset'))), key, value },
    headers: headers.filter(([name]) => !name.startsWith('dlt-')),
    timestampMs: Number(text('dlt-original-timestamp')),
  };
  return {
    lane: utf8Text(key ?? new Uint8Array()),
    record,
    ...{ attempts: 0, delayMs: 0, blocked: false, firstFailedAtMs: undefined },
    error: { code: 'DECISION_FAILED', message: 'replayed' },
    event: { id: text('id'), type: text('type'), traceId: text('trace_id') },
  };
}

/** The statements of a step, with places around them. */
function watched(inner: Database): Database {
  return {
    domain: inner.domain,
    transaction: (work) => inner.transaction(work),
    stop: (hard) => inner.stop(hard),
    query: (text, values) => around(text, () => inner.query(text, values)),
    execute: (text, values) => around(text, () => inner.execute(text, values)),
    prepared: (text, values) => around(text, () => inner.prepared(text, values)),
  };
}

async function around<T>(text: string, run: () => Promise<T>): Promise<T> {
  if (!/\bINSERT INTO\b/.test(text)) {
    await visit('before-step-read');
    return run();
  }
  await visit('before-step-write');
  const answer = await run();
  await visit('after-step-write');
  return answer;
}

async function visit(label: ProcessorFailpoint): Promise<void> {
  const visited = (visits.get(label) ?? 0) + 1;
  visits.set(label, visited);
  const { failpoint } = task;
  if (failpoint === undefined || failpoint.at !== label || failpoint.onVisit !== visited) return;
  if (failpoint.then === 'die') process.kill(process.pid, 'SIGKILL');
  await held();
}

async function held(): Promise<void> {
  tell({ is: 'held' });
  await new Promise<void>((resolve) => (release = resolve));
}

function tell(news: ProcessorNews): void {
  process.send?.(news);
}
