import type { Clock } from '../../core/clock.ts';
import type { EncodedPayload, PayloadEncoder } from '../../core/codec.ts';
import type { DeadLetterDialect } from '../../core/dead-letter-dialect.ts';
import { ClassifiedError, classified } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { formatLsn } from '../../core/lsn.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { Names } from '../../core/names.ts';
import type { BatchProducer } from '../../core/record-batch.ts';
import { headerText } from '../../core/record.ts';
import type { PublishedRow } from '../replication/source-record.ts';
import type { SourceTransaction } from '../replication/stream-session.ts';
import type { RecordTail } from './batch-records.ts';
import { readTail } from './batch-records.ts';
import { BufferPool } from './buffer-pool.ts';
import type { DeadLetterContext } from './dead-letter.ts';
import { letterOfBytes, letterOfRecord, letterOfRow } from './dead-letter.ts';
import type { Failpoint } from './failpoint.ts';
import { Fifo } from './fifo.ts';
import type { LaneBatch } from './lane-batch.ts';
import { isTableless, readLogicalEvent } from './logical-event.ts';
import type { OutboxRow, ReadEvent } from './outbox-row.ts';
import { COLUMN, OutboxRow as Row } from './outbox-row.ts';
import type { PartitionLane, Road } from './partition-lane.ts';
import { Patience } from './patience.ts';
import { PlacedValue } from './placed-value.ts';
import { eventTailBytes, writeEventTail } from './record-tail.ts';
import { TopicTable, routeRow } from './route.ts';
import { TopicLanes } from './topic-lanes.ts';
import { TurnSignal } from './turn-signal.ts';

export interface PublisherOptions {
  readonly domain: string;
  readonly service: string;
  /** Whose headers dead letters carry beside our own. */
  readonly deadLetterDialects?: readonly DeadLetterDialect[] | undefined;
  readonly names: Names;
  readonly routes: ReadonlySet<string>;
  readonly producer: BatchProducer;
  readonly encoder: PayloadEncoder;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly failpoint: Failpoint | undefined;
  readonly settings: PublisherSettings;
  /** Ends when nothing is to be sent any more. */
  readonly lifetime: AbortSignal;
  /** A topic lost partitions: `reset`, and let everything that is not acknowledged come again. */
  readonly onAstray: (error: ClassifiedError) => void;
  /** One row of each acknowledged batch of rows, the last one. Of batches that were under way at a reset nothing is told. */
  readonly onPublished?: (row: PublishedRow) => void;
}

export interface PublisherSettings {
  readonly batchRowsMax: number;
  readonly batchBytesMax: number;
  readonly lingerMs: number;
  readonly retryMaxMs: number;
  readonly pooledBytesMax: number;
}

/** An event that cannot be placed before something was asked: in memory of its own, in the order of its arrival. */
interface WaitingEvent {
  readonly read: ReadEvent;
  readonly bytes: Buffer;
  readonly transaction: SourceTransaction;
  readonly heldBytes: number;
}

/** So many measurements of latency a batch, evenly spread: one for every transaction would cost more than the transaction. */
const LATENCIES_PER_BATCH = 8;

/**
 * Brings events to Kafka, each as its record or as its dead letter, per key in the order in which they come. An outage is
 * waited out, without end and without skipping; an event that can never pass is isolated, so that its neighbours do. What is
 * durable is acknowledged to the session of its transaction.
 */
export class Publisher {
  private readonly options: PublisherOptions;
  private readonly road: Road;
  private readonly patience: Patience;
  private readonly topics: TopicTable<TopicLanes>;
  private readonly allTopics: TopicLanes[] = [];
  private readonly letters: TopicLanes;
  private readonly row = new Row();
  private readonly waitingRow = new Row();
  private readonly values: PlacedValue;
  private readonly waiting = new Fifo<WaitingEvent>();
  private placing = false;
  private filled: PartitionLane[] = [];
  private lingering: NodeJS.Timeout | undefined;
  private turn = 0;
  /** Aborted when the events in hand are of no use any more: their connection is over and they will come again. */
  private readonly turnSignal: TurnSignal;
  private pending = 0;
  private onEmpty: (() => void)[] = [];

  constructor(options: PublisherOptions) {
    this.options = options;
    this.turnSignal = new TurnSignal(options.lifetime);
    const { domain, names, routes, producer, encoder, clock, logger, failpoint, settings } = options;
    this.patience = new Patience({ domain, clock, logger, retryMaxMs: settings.retryMaxMs });
    this.road = {
      producer,
      pool: new BufferPool(settings.pooledBytesMax),
      patience: this.patience,
      clock,
      logger: logger.child({ domain }),
      failpoint,
      batchRowsMax: settings.batchRowsMax,
      batchBytesMax: settings.batchBytesMax,
      turnSignal: () => this.turnSignal.signal,
      generation: () => this.turn,
      onFilled: (lane) => this.filled.push(lane),
      onAcknowledged: (lane, batch) => this.acknowledged(lane, batch),
      onRefused: (...refusal) => this.refused(...refusal),
      onAstray: options.onAstray,
    };
    const lanesOf = (topic: string, isForLetters = false): TopicLanes => {
      const lanes = new TopicLanes(this.road, topic, isForLetters);
      this.allTopics.push(lanes);
      return lanes;
    };
    this.topics = new TopicTable(names, routes, (topic) => lanesOf(topic));
    this.letters = lanesOf(names.captureDeadLetterTopic(domain), true);
    this.values = new PlacedValue(encoder);
  }

  /** Asks for the partitions of the declared topics, so that the first events need not: an outage is theirs to wait out. */
  prepare(): void {
    for (const topic of this.allTopics) if (topic !== this.letters) topic.learn().catch(() => undefined);
  }

  /** Takes an event, `bytes[start, end)`, which may be overwritten after the call. It is sent at the next `flush`. */
  add(read: ReadEvent, bytes: Buffer, start: number, end: number, transaction: SourceTransaction, heldBytes: number): void {
    this.pending += 1;
    if (this.waiting.length === 0 && this.place(this.row, read, bytes, start, end, transaction, heldBytes)) return;
    this.waiting.push({ read, bytes: Buffer.from(bytes.subarray(start, end)), transaction, heldBytes });
    void this.placeWaiting();
  }

  /** Sends what was added, at once or after the linger. */
  flush(): void {
    const { lingerMs } = this.options.settings;
    if (this.filled.length === 0 || this.lingering !== undefined) return;
    if (lingerMs === 0) this.send();
    else this.lingering = setTimeout(() => this.send(), lingerMs);
  }

  /** Forgets everything that is not under way: it will come again. */
  reset(): void {
    this.turn += 1;
    this.turnSignal.next();
    this.waiting.clear();
    this.pending = 0;
    clearTimeout(this.lingering);
    this.lingering = undefined;
    this.filled = [];
    for (const topic of this.allTopics) topic.forget();
    this.settleEmpty();
  }

  /** Resolves when everything that was added is durable, or forgotten. */
  async drained(): Promise<void> {
    if (this.lingering !== undefined) this.send();
    if (this.pending > 0) await new Promise<void>((resolve) => this.onEmpty.push(resolve));
  }

  /** What is being waited for; undefined while all is well. */
  get waitingFor(): ClassifiedError | undefined {
    return this.patience.waitingFor;
  }

  /** Why a partition stands still until the next `reset`; undefined while none does. */
  get haltedBy(): ClassifiedError | undefined {
    for (const topic of this.allTopics) for (const { haltedBy } of topic.all) if (haltedBy !== undefined) return haltedBy;
    return undefined;
  }

  /** Monotonic milliseconds since when Kafka owes an acknowledgement; undefined when it owes none. */
  get sendingSinceMs(): number | undefined {
    const all = this.allTopics.flatMap((topic) => topic.all.map((lane) => lane.sendingSinceMs ?? Infinity));
    const first = Math.min(...all);
    return first === Infinity ? undefined : first;
  }

  private send(): void {
    clearTimeout(this.lingering);
    this.lingering = undefined;
    const lanes = this.filled;
    this.filled = [];
    for (const lane of lanes) lane.flush();
    for (const topic of this.allTopics) topic.refresh();
  }

  /** False when something has to be asked first. */
  private place(
    row: OutboxRow,
    read: ReadEvent,
    bytes: Buffer,
    start: number,
    end: number,
    transaction: SourceTransaction,
    heldBytes: number,
    encoded?: EncodedPayload,
  ): boolean {
    const { failpoint } = this.options;
    try {
      read(row, bytes, start, end);
    } catch (thrown) {
      const error = classified(thrown, 'PAYLOAD_UNREADABLE', 'the row could not be decoded');
      const letter = letterOfBytes(bytes.subarray(start, end), error, this.context(transaction));
      return this.post(letter, transaction, heldBytes, error, isTableless(read));
    }
    if (failpoint !== undefined) void failpoint('decoded');
    try {
      const lanes = routeRow(row, this.topics);
      const lane = this.laneOfRow(row, lanes);
      if (lane === undefined || !this.values.place(row, encoded)) return false;
      const tail = eventTailBytes(row, this.values.value);
      const at = lane.begin(Math.trunc(transaction.commitTimeUs / 1000), tail, transaction, heldBytes);
      writeEventTail(lane.buffer, at, row, this.values.value);
      if (read === readLogicalEvent) lane.noteMessage();
      return true;
    } catch (thrown) {
      if (!(thrown instanceof ClassifiedError) || thrown.disposition !== 'dead-letter') throw thrown;
      const letter = letterOfRow(row, thrown, this.options.names, this.context(transaction));
      return this.post(letter, transaction, heldBytes, thrown, isTableless(read));
    }
  }

  private laneOfRow(row: OutboxRow, lanes: TopicLanes): PartitionLane | undefined {
    const key = row.startOf(COLUMN.aggregateid);
    return lanes.laneOf(row.bytes, key, key + row.lengthOf(COLUMN.aggregateid));
  }

  /** False when the number of the letters' partitions is not known yet. */
  private post(
    letter: RecordTail,
    transaction: SourceTransaction,
    heldBytes: number,
    error: ClassifiedError,
    isTableless: boolean,
    onSettled: () => void = () => undefined,
  ): boolean {
    const key = letter.key ?? new Uint8Array();
    const lane = this.letters.laneOf(key, 0, key.length);
    if (lane === undefined) return false;
    lane.addLetter(letter, transaction, heldBytes, {
      event: headerText(letter.headers, 'id'),
      error,
      commitLsn: transaction.commitLsn,
      onSettled,
    });
    if (isTableless) lane.noteMessage();
    return true;
  }

  /** Places what waits, in order, asking for one event after the other what it lacks. Runs once at a time. */
  private async placeWaiting(): Promise<void> {
    if (this.placing) return;
    this.placing = true;
    for (let event = this.waiting.first; event !== undefined; event = this.waiting.first) {
      const { signal } = this.turnSignal;
      try {
        await this.placePatiently(event, signal);
        if (isAborted(signal)) continue; // other events wait now
        this.waiting.shift();
        this.flush();
      } catch (thrown) {
        if (this.options.lifetime.aborted) break;
        if (isAborted(signal)) continue;
        // Nothing that is expected ends here. Standing still and saying so loses nothing; going on would.
        this.options.logger.error({ domain: this.options.domain }, 'an event could not be placed; trying the same event again', thrown);
        await this.options.clock.sleep(1000, signal).catch(() => undefined); // the loop looks at the signal itself
      }
      if (this.options.lifetime.aborted) break;
    }
    this.placing = false;
  }

  private async placePatiently(event: WaitingEvent, signal: AbortSignal): Promise<void> {
    const { bytes, read, transaction, heldBytes } = event;
    const { failpoint } = this.options;
    if (failpoint !== undefined) await failpoint('row-waiting');
    let encoded: EncodedPayload | undefined;
    while (!isAborted(signal) && !this.place(this.waitingRow, read, bytes, 0, bytes.length, transaction, heldBytes, encoded)) {
      try {
        encoded = await this.ask(bytes, read, signal);
      } catch (thrown) {
        if (!(thrown instanceof ClassifiedError) || thrown.disposition !== 'dead-letter') throw thrown;
        read(this.waitingRow, bytes, 0, bytes.length);
        const letter = letterOfRow(this.waitingRow, thrown, this.options.names, this.context(transaction));
        while (!isAborted(signal) && !this.post(letter, transaction, heldBytes, thrown, isTableless(read))) {
          await this.patience.until(() => this.letters.learn(), signal);
        }
        return;
      }
    }
  }

  /** Asks for whatever keeps the event from its place: numbers of partitions, then its value. */
  private async ask(bytes: Buffer, read: ReadEvent, signal: AbortSignal): Promise<EncodedPayload | undefined> {
    const row = this.waitingRow;
    const lanes = this.judge(row, bytes, read);
    if (lanes === undefined) {
      await this.patience.until(() => this.letters.learn(), signal);
      return undefined;
    }
    if (this.laneOfRow(row, lanes) === undefined) await this.patience.until(() => lanes.learn(), signal);
    const asking = this.values.asking(row);
    return asking === undefined ? undefined : this.patience.until(asking, signal);
  }

  /** Undefined for an event that will be a letter. */
  private judge(row: OutboxRow, bytes: Buffer, read: ReadEvent): TopicLanes | undefined {
    try {
      read(row, bytes, 0, bytes.length);
      return routeRow(row, this.topics);
    } catch {
      return undefined; // `place` says why
    }
  }

  private async refused(
    lane: PartitionLane,
    record: RecordTail,
    transaction: SourceTransaction,
    heldBytes: number,
    error: ClassifiedError,
    isTableless: boolean,
  ): Promise<void> {
    const letter = letterOfRecord(record, lane.topic, error, this.context(transaction));
    const turn = this.turn;
    const { signal } = this.turnSignal;
    await new Promise<void>((resolve, reject) => {
      const post = (): void => {
        if (this.turn !== turn) resolve();
        else if (this.post(letter, transaction, heldBytes, error, isTableless, resolve)) this.flush();
        else this.patience.until(() => this.letters.learn(), signal).then(post, reject);
      };
      post();
    });
  }

  private acknowledged(lane: PartitionLane, batch: LaneBatch): void {
    batch.transactions[0]?.session.acknowledge(batch);
    this.measure(lane, batch);
    if (batch.generation !== this.turn) return;
    this.tellPublished(lane, batch);
    this.pending -= batch.seal().recordCount;
    this.settleEmpty();
  }

  private tellPublished(lane: PartitionLane, batch: LaneBatch): void {
    const { onPublished } = this.options;
    const transaction = batch.transactions.at(-1);
    // A letter's row may lack anything, and behind a logical message there is no row.
    if (onPublished === undefined || transaction === undefined || lane.isForLetters || batch.hasMessages) return;
    const { headers } = readTail(batch.builder.buffer, batch.lastTail);
    const [id, createdAt] = [headerText(headers, 'id'), headerText(headers, 'occurred_at')];
    if (id !== undefined && createdAt !== undefined) onPublished({ id, createdAt, commitLsn: transaction.commitLsn });
  }

  private settleEmpty(): void {
    if (this.pending > 0) return;
    const waiters = this.onEmpty;
    this.onEmpty = [];
    for (const resolve of waiters) resolve();
  }

  private measure(lane: PartitionLane, batch: LaneBatch): void {
    const { metrics, domain, clock, logger } = this.options;
    if (!lane.isForLetters) metrics.count('millrace_capture_published_total', { domain, topic: lane.topic }, batch.seal().recordCount);
    for (const { event, error, commitLsn } of batch.notes) {
      metrics.count('millrace_capture_dead_lettered_total', { domain, code: error.code });
      const fields = { domain, 'error.code': error.code, event, lsn: formatLsn(commitLsn) };
      logger.warn(fields, `an outbox row went to the dead-letter topic: ${error.message}. ${error.remedy}`, error);
    }
    const nowUs = clock.nowMs() * 1000;
    const { transactions } = batch;
    const step = Math.max(1, Math.ceil(transactions.length / LATENCIES_PER_BATCH));
    for (let index = 0; index < transactions.length; index += step) {
      const latencyUs = nowUs - (transactions[index]?.commitTimeUs ?? nowUs);
      metrics.observe('millrace_capture_latency_seconds', { domain }, Math.max(0, latencyUs) / 1_000_000);
    }
  }

  private context({ commitLsn }: SourceTransaction): DeadLetterContext {
    const { service, clock, deadLetterDialects: dialects = [] } = this.options;
    return { service, failedAtMs: clock.nowMs(), commitLsn, dialects };
  }
}

/** A function, because a signal changes while one waits. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
