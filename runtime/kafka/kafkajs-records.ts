import type { KafkaMessage, Message } from 'kafkajs';
import { offset } from '../../core/offset.ts';
import type { ConsumedRecord, ProducerRecord, TopicPartition } from '../../core/record.ts';
import { asBuffer, headersOf, patchedHeaders, plainHeaders } from './kafkajs-headers.ts';
import { DamagedBatch, LogRecord } from './log-record.ts';

/** @throws ClassifiedError KAFKA_UNAVAILABLE for what stands for a damaged batch. */
export function consumedRecord({ topic, partition }: TopicPartition, message: KafkaMessage | LogRecord): ConsumedRecord {
  if (message instanceof DamagedBatch) throw message.error;
  if (message instanceof LogRecord) return message;
  return {
    topic,
    partition,
    offset: offset(message.offset),
    key: message.key,
    value: message.value,
    headers: headersOf(message.headers),
    timestampMs: Number(message.timestamp),
  };
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
