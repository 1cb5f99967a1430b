import type { Producer } from '../../core/broker.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { LogReader } from '../../core/log-reader.ts';
import type { Offset } from '../../core/offset.ts';
import { maxOffset, offset } from '../../core/offset.ts';
import { utf8, utf8Text } from '../../core/record.ts';
import { slicesUpTo } from '../../core/whole-log.ts';
import type { SourceRecord } from './source-record.ts';
import { foldSourceRecords, formatSourceRecord, parseSourceRecord, sourceRecordKey } from './source-record.ts';

/** Where the records of the sources are kept: out of reach of what happens to the source. */
export interface SourceMemory {
  /** Undefined when nothing is remembered of the slot. */
  read(slot: string): Promise<SourceRecord | undefined>;
  /** Resolves when it is durable. Writes of one memory follow each other. */
  write(record: SourceRecord): Promise<void>;
  /** Takes back what older epochs left behind. */
  forget(slot: string, beforeEpoch: number): Promise<void>;
}

/** Records that are read before the whole topic is: every capture of a deployment writes one a second at most. */
const TAIL_RECORDS = 2_000n;

/** A compacted topic of one partition. One object per process: the writes to its partition must not overlap. */
export class KafkaSourceMemory implements SourceMemory {
  private readonly topic: string;
  private readonly producer: Producer;
  private readonly reader: LogReader;
  private lastWrite: Promise<unknown> = Promise.resolve();

  constructor(topic: string, producer: Producer, reader: LogReader) {
    this.topic = topic;
    this.producer = producer;
    this.reader = reader;
  }

  /** @throws ClassifiedError KAFKA_UNAVAILABLE, or CONFIGURATION_INVALID for a record that is not readable. */
  async read(slot: string): Promise<SourceRecord | undefined> {
    const { topics } = await this.reader.describe([this.topic]);
    const partition = topics[0]?.partitions[0];
    if (partition === undefined) return undefined;
    const tail = partition.end > TAIL_RECORDS ? offset(partition.end - TAIL_RECORDS) : offset(0n);
    const from = maxOffset(partition.earliest, tail);
    const found = await this.readFrom(slot, from, partition.end);
    if (found.length > 0 || from === partition.earliest) return foldSourceRecords(found);
    return foldSourceRecords(await this.readFrom(slot, partition.earliest, partition.end));
  }

  async write(record: SourceRecord): Promise<void> {
    await this.send(sourceRecordKey(record), formatSourceRecord(record));
  }

  async forget(slot: string, beforeEpoch: number): Promise<void> {
    for (let epoch = Math.max(1, beforeEpoch - 8); epoch < beforeEpoch; epoch += 1) await this.send(sourceRecordKey({ slot, epoch }), null);
  }

  private async readFrom(slot: string, start: Offset, end: Offset): Promise<SourceRecord[]> {
    const found: SourceRecord[] = [];
    for await (const { records } of slicesUpTo(this.reader, { topic: this.topic, partition: 0 }, start, end)) {
      for (const { key, value } of records) {
        if (key === null || value === null || !utf8Text(key).startsWith(`${slot}#`)) continue;
        found.push(parseSourceRecord(utf8Text(value)));
      }
    }
    return found;
  }

  private async send(key: string, value: string | null): Promise<void> {
    const turn = this.lastWrite.then(async () => {
      try {
        await this.producer.send([
          { topic: this.topic, partition: 0, key: utf8(key), value: value === null ? null : utf8(value), headers: [] },
        ]);
      } catch (thrown) {
        if (!(thrown instanceof ClassifiedError) || thrown.code !== 'CONFIGURATION_INVALID') throw thrown;
        const message = `the topic ${this.topic}, the capture's memory, cannot be written: run \`millrace apply\``;
        throw new ClassifiedError('CONFIGURATION_INVALID', message, { cause: thrown });
      }
    });
    this.lastWrite = turn.catch(() => undefined);
    await turn;
  }
}
