import type { ConsumerEvents, OffsetReset } from '../../core/broker.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import type { LogFields, Logger } from '../../core/log.ts';
import type { Offset } from '../../core/offset.ts';
import type { ConsumedRecord, TopicPartition } from '../../core/record.ts';

/**
 * The callbacks of a consumer behind a guard. They must not throw, and this is what happens when they do: a line in the
 * log and a driver that lives on. A throw inside a driver's own callback would stop that driver for good.
 */
export class GuardedEvents {
  private readonly events: ConsumerEvents;
  private readonly logger: Logger;

  constructor(events: ConsumerEvents, logger: Logger) {
    this.events = events;
    this.logger = logger;
  }

  /** False when the callback threw: nobody can say which of the records were taken, so the caller delivers them again. */
  onRecords(partition: TopicPartition, records: readonly ConsumedRecord[], highWatermark: Offset, next: Offset): boolean {
    const fields = { 'kafka.topic': partition.topic, 'kafka.partition': partition.partition, 'kafka.offset': records[0]?.offset };
    return this.call('onRecords', fields, () => {
      this.events.onRecords(partition, records, highWatermark, next);
    });
  }

  onAssigned(partitions: readonly TopicPartition[]): void {
    this.call('onAssigned', {}, () => {
      this.events.onAssigned(partitions);
    });
  }

  onReset(reset: OffsetReset): void {
    this.call('onReset', { 'kafka.topic': reset.topic, 'kafka.partition': reset.partition }, () => {
      this.events.onReset?.(reset);
    });
  }

  onLost(partitions: readonly TopicPartition[]): void {
    this.call('onLost', {}, () => {
      this.events.onLost(partitions);
    });
  }

  onFatal(error: ClassifiedError): void {
    this.call('onFatal', {}, () => {
      this.events.onFatal(error);
    });
  }

  /** Resolves when the callback is done or the time is up, whichever is first; never rejects. */
  async onRevoking(partitions: readonly TopicPartition[], timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeUp = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.logger.warn({ 'event.duration_ms': timeoutMs }, 'draining took longer than the group waits; the partitions go away now');
        resolve();
      }, timeoutMs);
    });
    await Promise.race([this.revoke(partitions), timeUp]);
    clearTimeout(timer);
  }

  private async revoke(partitions: readonly TopicPartition[]): Promise<void> {
    try {
      await this.events.onRevoking(partitions);
    } catch (thrown) {
      this.logger.error({ 'millrace.callback': 'onRevoking' }, 'a consumer callback threw', thrown);
    }
  }

  private call(name: string, fields: LogFields, callback: () => void): boolean {
    try {
      callback();
      return true;
    } catch (thrown) {
      this.logger.error({ ...fields, 'millrace.callback': name }, 'a consumer callback threw', thrown);
      return false;
    }
  }
}
