import type { KafkaMessage, Message } from 'kafkajs';
import { EncodedHeaders } from '../../core/encoded-headers.ts';
import { offset, type Offset } from '../../core/offset.ts';
import type { ConsumedRecord, Header, HeaderBlock, ProducerRecord, TopicPartition } from '../../core/record.ts';
import { asBuffer, headersOf, patchedHeaders, plainHeaders } from './kafkajs-headers.ts';

export function consumedRecord(partition: TopicPartition, message: KafkaMessage): ConsumedRecord {
  return new ReadRecord(partition, message);
}

/** Most records are never asked for their headers one by one. */
class ReadRecord implements ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: Offset;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestampMs: number;
  private readonly sentHeaders: unknown;

  constructor({ topic, partition }: TopicPartition, message: KafkaMessage) {
    this.topic = topic;
    this.partition = partition;
    this.offset = offset(message.offset);
    this.key = message.key;
    this.value = message.value;
    this.timestampMs = Number(message.timestamp);
    this.sentHeaders = message.headers;
  }

  get headers(): readonly Header[] {
    return headersOf(this.sentHeaders);
  }

  get headerBlock(): HeaderBlock | undefined {
    return this.sentHeaders instanceof EncodedHeaders ? this.sentHeaders : undefined;
  }
}

/** kafkajs sorts timestamps as text and fills in missing ones per batch: here every record brings its own. */
export function kafkaMessage(record: ProducerRecord, patched: boolean, nowMs: number): Message {
  return {
    key: record.key === null ? null : asBuffer(record.key),
    value: record.value === null ? null : asBuffer(record.value),
    headers: patched ? patchedHeaders(record.headers) : plainHeaders(record.headers),
    timestamp: (record.timestampMs ?? nowMs).toString(),
    ...(record.partition === undefined ? {} : { partition: record.partition }),
  };
}
