import type { Producer } from '../../core/broker.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { ProducerRecord } from '../../core/record.ts';
import { recordBytes } from '../../core/record.ts';

const BATCH_RECORDS_MAX = 200;
const BATCH_BYTES_MAX = 524_288;

interface Waiting {
  readonly record: ProducerRecord;
  readonly written: () => void;
  readonly refused: (error: unknown) => void;
}

/**
 * Writes dead letters over a producer that is shared with others: one batch in flight per partition, and what comes
 * meanwhile goes together in the next one. When a batch is refused for one of its letters they are written one by one, so
 * that only that one fails.
 */
export class DeadLetterWriter {
  private readonly producer: Pick<Producer, 'send'>;
  private readonly waiting = new Map<string, Waiting[]>();

  constructor(producer: Pick<Producer, 'send'>) {
    this.producer = producer;
  }

  /** Resolves when all in-sync replicas hold the letter; rejects with the producer's error. It may then have been written all the same. */
  async write(record: ProducerRecord): Promise<void> {
    await new Promise<void>((written, refused) => {
      const queue = `${record.topic}/${record.partition ?? ''}`;
      const entry = { record, written, refused };
      const others = this.waiting.get(queue);
      if (others !== undefined) {
        others.push(entry);
        return;
      }
      this.waiting.set(queue, [entry]);
      void this.drain(queue);
    });
  }

  private async drain(queue: string): Promise<void> {
    for (;;) {
      const batch = nextBatch(this.waiting.get(queue) ?? []);
      if (batch.length === 0) break;
      await this.send(batch);
    }
    this.waiting.delete(queue);
  }

  private async send(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.producer.send(batch.map(({ record }) => record));
      for (const { written } of batch) written();
    } catch (error) {
      if (batch.length > 1 && isAboutOneRecord(error)) for (const entry of batch) await this.send([entry]);
      else for (const { refused } of batch) refused(error);
    }
  }
}

function isAboutOneRecord(error: unknown): boolean {
  return error instanceof ClassifiedError && (error.code === 'RECORD_TOO_LARGE' || error.code === 'RECORD_REJECTED');
}

/** Takes the first letters out of the queue, at least one when there is one. */
function nextBatch(queue: Waiting[]): Waiting[] {
  let count = 0;
  let bytes = 0;
  for (const { record } of queue) {
    bytes += recordBytes(record);
    if (count > 0 && (count >= BATCH_RECORDS_MAX || bytes > BATCH_BYTES_MAX)) break;
    count += 1;
  }
  return queue.splice(0, count);
}
