import type { Producer } from '../../core/broker.ts';
import type { Clock } from '../../core/clock.ts';
import type { PayloadEncoder } from '../../core/codec.ts';
import { ClassifiedError, classified } from '../../core/errors.ts';
import { formatLsn } from '../../core/lsn.ts';
import type { Logger } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { Names } from '../../core/names.ts';
import type { ProducerRecord } from '../../core/record.ts';
import { headerText } from '../../core/record.ts';
import { reconnectDelayMs } from '../../core/retry-policy.ts';
import type { Relation } from '../replication/pgoutput.ts';
import type { SourceRow } from '../replication/stream-session.ts';
import { deadLetterRecord, withoutPayload } from './dead-letter.ts';
import type { Failpoint } from './failpoint.ts';
import type { OutboxLayout, OutboxRow } from './outbox-row.ts';
import { outboxLayout, readOutboxRow, unreadableRow } from './outbox-row.ts';
import type { TopicOfRoute } from './route.ts';
import { eventRecord, framedPayload, routeRow } from './route.ts';

export interface PublisherOptions {
  readonly domain: string;
  readonly service: string;
  readonly names: Names;
  readonly topicOf: TopicOfRoute;
  readonly producer: Producer;
  readonly encoder: PayloadEncoder;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly failpoint: Failpoint;
  /** The longest wait between two attempts while a dependency is away. */
  readonly retryMaxMs: number;
}

/** A row and the record that stands for it: its event, or its dead letter and why. */
interface Item {
  readonly row: SourceRow;
  readonly outbox: OutboxRow;
  record: ProducerRecord;
  error: ClassifiedError | undefined;
}

/**
 * Brings rows to Kafka, each as its event or as its dead letter. An outage is waited out, without end and without skipping;
 * a row that can never pass is isolated, so that its neighbours do.
 */
export class BatchPublisher {
  private readonly options: PublisherOptions;
  private readonly layouts = new WeakMap<Relation, OutboxLayout>();
  private waiting: ClassifiedError | undefined;
  private sendingSince: number | undefined;

  constructor(options: PublisherOptions) {
    this.options = options;
  }

  /**
   * Resolves when every row is acknowledged by Kafka in its topic or in the dead-letter topic. Rows of one key are sent in
   * order, and calls must not overlap. Rejects only with the signal's reason; any part may have been sent then.
   */
  async publish(rows: readonly SourceRow[], signal: AbortSignal): Promise<void> {
    const items: Item[] = [];
    for (const row of rows) items.push(await this.prepare(row, signal));
    await this.options.failpoint('batch-encoded');
    await this.deliver(items, signal);
    await this.options.failpoint('batch-sent');
    this.measure(items);
  }

  /** What is being waited for; undefined while all is well. */
  get waitingFor(): ClassifiedError | undefined {
    return this.waiting;
  }

  /** Monotonic milliseconds since when Kafka owes an acknowledgement; undefined when it owes none. */
  get sendingSinceMs(): number | undefined {
    return this.sendingSince;
  }

  private async prepare(row: SourceRow, signal: AbortSignal): Promise<Item> {
    const outbox = this.readRow(row);
    if (outbox === undefined) {
      const error = new ClassifiedError('PAYLOAD_UNREADABLE', 'the row could not be decoded');
      return this.letter({ row, outbox: unreadableRow(row.tuple) }, error);
    }
    try {
      const routed = routeRow(outbox, this.options.topicOf);
      const encoded = routed.payloadIsBinary
        ? framedPayload(routed.payload)
        : await this.patiently(() => this.encode(routed.type, routed.payload), signal);
      const record = eventRecord(routed, encoded, Number(row.transaction.commitTimeUs / 1000n));
      return { row, outbox, record, error: undefined };
    } catch (thrown) {
      if (!isPoison(thrown)) throw thrown;
      return this.letter({ row, outbox }, thrown);
    }
  }

  private readRow(row: SourceRow): OutboxRow | undefined {
    let layout = this.layouts.get(row.relation);
    if (layout === undefined) {
      layout = outboxLayout(row.relation);
      this.layouts.set(row.relation, layout);
    }
    try {
      return readOutboxRow(layout, row.tuple);
    } catch (thrown) {
      if (thrown instanceof RangeError) return undefined;
      throw thrown;
    }
  }

  /** Whatever an encoder throws without a code is its bug on this payload: kept as a dead letter, and not met for ever. */
  private async encode(type: string, payload: Uint8Array) {
    try {
      return await this.options.encoder.encode(type, payload);
    } catch (thrown) {
      throw classified(thrown, 'PAYLOAD_INVALID', 'the payload could not be encoded');
    }
  }

  private async deliver(items: readonly Item[], signal: AbortSignal): Promise<void> {
    try {
      await this.patiently(() => this.send(items), signal);
    } catch (thrown) {
      if (!isPoison(thrown)) throw thrown;
      const [only] = items;
      if (only !== undefined && items.length === 1) {
        await this.deliver([this.degrade(only, thrown)], signal);
        return;
      }
      // One of them is refused. First half before second half: rows of one key stay in order.
      const middle = Math.ceil(items.length / 2);
      await this.deliver(items.slice(0, middle), signal);
      await this.deliver(items.slice(middle), signal);
    }
  }

  private async send(items: readonly Item[]): Promise<void> {
    this.sendingSince = this.options.clock.monotonicMs();
    try {
      await this.options.producer.send(items.map((item) => item.record));
    } finally {
      this.sendingSince = undefined;
    }
  }

  /** What is left of a record that Kafka refuses: its dead letter; then the letter without the payload. */
  private degrade(item: Item, error: ClassifiedError): Item {
    if (item.error === undefined) return this.letter(item, error);
    if (item.record.value !== null) return { ...item, record: withoutPayload(item.record) };
    throw new ClassifiedError('UNCLASSIFIED', 'the dead-letter topic refuses a letter without its payload', { cause: error });
  }

  private letter(item: Pick<Item, 'row' | 'outbox'>, error: ClassifiedError): Item {
    const { names, domain, service, clock } = this.options;
    const context = { names, domain, service, failedAtMs: clock.nowMs(), commitLsn: item.row.transaction.commitLsn };
    return { row: item.row, outbox: item.outbox, record: deadLetterRecord(item.outbox, error, context), error };
  }

  /** Tries until it works. Rejects with what makes the work itself impossible, or with the signal's reason. */
  private async patiently<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { clock, logger, domain, retryMaxMs } = this.options;
    for (let failures = 1; ; failures += 1) {
      signal.throwIfAborted();
      try {
        const result = await work();
        if (this.waiting !== undefined) logger.info({ domain, failures: failures - 1 }, 'publishing again');
        this.waiting = undefined;
        return result;
      } catch (thrown) {
        const error = classified(thrown, 'UNCLASSIFIED', 'publishing failed');
        if (error.disposition === 'dead-letter') throw error;
        if (this.waiting?.code !== error.code) {
          logger.warn({ domain, 'error.code': error.code }, `publishing waits: ${error.message}. ${error.remedy}`, error);
        }
        this.waiting = error;
      }
      await clock.sleep(reconnectDelayMs(failures, Math.random(), 100, retryMaxMs), signal);
    }
  }

  private measure(items: readonly Item[]): void {
    const { metrics, domain, clock, logger } = this.options;
    const published = new Map<string, number>();
    let measured: SourceRow['transaction'] | undefined;
    const nowMs = clock.nowMs();
    for (const { row, record, error } of items) {
      if (error === undefined) published.set(record.topic, (published.get(record.topic) ?? 0) + 1);
      else {
        metrics.count('millrace_capture_dead_lettered_total', { domain, code: error.code });
        const fields = {
          domain,
          'error.code': error.code,
          event: headerText(record.headers, 'id'),
          lsn: formatLsn(row.transaction.commitLsn),
        };
        logger.warn(fields, `an outbox row went to the dead-letter topic: ${error.message}. ${error.remedy}`, error);
      }
      if (row.transaction === measured) continue;
      measured = row.transaction;
      const latencyMs = nowMs - Number(measured.commitTimeUs) / 1000;
      metrics.observe('millrace_capture_latency_seconds', { domain }, Math.max(0, latencyMs) / 1000);
    }
    for (const [topic, count] of published) metrics.count('millrace_capture_published_total', { domain, topic }, count);
  }
}

function isPoison(thrown: unknown): thrown is ClassifiedError {
  return thrown instanceof ClassifiedError && thrown.disposition === 'dead-letter';
}
