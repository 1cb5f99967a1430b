import { ClassifiedError } from '../../core/errors.ts';
import type { BatchProducer, RecordBatch } from '../../core/record-batch.ts';
import type { InMemoryLog } from './in-memory-log.ts';
import { decodeRecordBatch, type DecodedRecord } from './record-batch-decoder.ts';
import { completeRecordBatch } from './record-batch-head.ts';

/** The broker as its batch producer sees it. */
export interface InMemoryBatchServer {
  readonly log: InMemoryLog;
  /** Runs it unless the broker is away or told to fail; what it did stays done when the acknowledgement gets lost. */
  produce(append: () => void): void;
  read<T>(action: () => T): T;
}

/**
 * Batches are completed and decoded as on the way to a broker, so that a wrong byte is refused here too. A batch that is given again
 * after it was appended is not appended twice: the object itself stands for the producer's sequence.
 */
export class InMemoryBatchProducer implements BatchProducer {
  private readonly server: InMemoryBatchServer;
  private readonly appended = new WeakSet<RecordBatch>();
  private stopped = false;

  constructor(server: InMemoryBatchServer) {
    this.server = server;
  }

  async start(): Promise<void> {
    return undefined;
  }

  async partitionCount(topic: string): Promise<number> {
    const count = this.server.read(() => this.server.log.partitionsOf(topic).length);
    if (count === 0) throw new ClassifiedError('CONFIGURATION_INVALID', `topic ${topic} does not exist`);
    return count;
  }

  knownPartitionCount(topic: string): number | undefined {
    const count = this.server.log.partitionsOf(topic).length;
    return count === 0 ? undefined : count;
  }

  async append(topic: string, partition: number, batch: RecordBatch): Promise<void> {
    if (this.stopped) throw new ClassifiedError('KAFKA_UNAVAILABLE', 'the batch producer is stopped');
    this.server.produce(() => {
      if (this.appended.has(batch)) return;
      this.server.log.appendBatch({ topic, partition }, batch.bytes.length, () => decoded(batch));
      this.appended.add(batch);
    });
  }

  async stop(): Promise<void> {
    this.stopped = true;
  }
}

function decoded(batch: RecordBatch): readonly DecodedRecord[] {
  completeRecordBatch(batch, { producerId: 0n, producerEpoch: 0, baseSequence: 0 });
  try {
    return decodeRecordBatch(batch.bytes).records;
  } catch (thrown) {
    throw new ClassifiedError('RECORD_REJECTED', 'the records of a batch are not what its head says', { cause: thrown });
  }
}
