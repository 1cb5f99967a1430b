import type { ClassifiedError } from '../../core/errors.ts';
import type { BatchProducer, RecordBatch } from '../../core/record-batch.ts';
import type { ProducerRecord } from '../../core/record.ts';
import { headerText } from '../../core/record.ts';
import { decodeRecordBatch } from '../../runtime/kafka/record-batch-decoder.ts';
import { completeRecordBatch } from '../../runtime/kafka/record-batch-head.ts';

/** A producer of one partition per topic, whose acknowledgements a test holds in its hand. It reads batches as strictly as a broker. */
export interface RecordingProducer extends BatchProducer {
  /** Acknowledged records, in order of their acknowledgement. */
  readonly acknowledged: ProducerRecord[];
  /** Ids of the acknowledged records, repeats included. */
  acknowledgedIds(): string[];
  /** How many appends were begun. */
  readonly sends: number;
  /** From now on appends wait; they append and are acknowledged at `release`. */
  hang(): void;
  release(): void;
  /** From now on every append asks: an error refuses the whole batch, nothing of it appended. */
  failWith(decide: (records: readonly ProducerRecord[]) => ClassifiedError | undefined): void;
}

export function createRecordingProducer(): RecordingProducer {
  const acknowledged: ProducerRecord[] = [];
  let sends = 0;
  let waiting: (() => void)[] = [];
  let hanging = false;
  let decide: (records: readonly ProducerRecord[]) => ClassifiedError | undefined = () => undefined;
  return {
    acknowledged,
    acknowledgedIds: () => acknowledged.map((record) => headerText(record.headers, 'id') ?? ''),
    get sends() {
      return sends;
    },
    start: async () => undefined,
    stop: async () => undefined,
    hang: () => {
      hanging = true;
    },
    release: () => {
      hanging = false;
      for (const wake of waiting) wake();
      waiting = [];
    },
    failWith: (decision) => {
      decide = decision;
    },
    partitionCount: async () => 1,
    knownPartitionCount: () => 1,
    append: async (topic, partition, batch) => {
      sends += 1;
      // As over a socket: never acknowledged in the same turn.
      await new Promise<void>((resolve) => (hanging ? waiting.push(resolve) : setImmediate(resolve)));
      // Read as late as a broker would, so that bytes which were overwritten meanwhile show.
      const records = recordsOf(topic, partition, batch);
      const error = decide(records);
      if (error !== undefined) throw error;
      acknowledged.push(...records);
    },
  };
}

/** Read as strictly as by a broker. */
export function recordsOf(topic: string, partition: number, batch: RecordBatch): ProducerRecord[] {
  completeRecordBatch(batch, { producerId: 0n, producerEpoch: 0, baseSequence: 0 });
  const { records } = decodeRecordBatch(Uint8Array.from(batch.bytes));
  return records.map((record) => ({ topic, partition, ...record }));
}
