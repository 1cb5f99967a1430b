import type { ClassifiedError, ErrorCode } from './errors.ts';
import type { Offset } from './offset.ts';
import type { Header } from './record.ts';
import { textHeader } from './record.ts';

/** Whose headers a dead letter carries beside our own, for tools that know those: Spring for Apache Kafka's, Kafka Connect's. */
export const DEAD_LETTER_DIALECTS = ['spring', 'connect'] as const;
export type DeadLetterDialect = (typeof DEAD_LETTER_DIALECTS)[number];

/** What is known of a failure; what a stage cannot know is left out, and with it the headers that would say it. */
export interface FailureFacts {
  /** Where the record was, or was to go. */
  readonly topic: string | undefined;
  readonly partition?: number;
  readonly offset?: Offset;
  /** The record's own time, milliseconds since the epoch. */
  readonly timestampMs?: number;
  /** The consumer group that gave it up; undefined for a capture. */
  readonly group?: string;
  /** What gave it up, as Connect names a connector: the group, or the capture. */
  readonly reader: string;
  readonly service: string;
  readonly attempts?: number;
  readonly error: ClassifiedError;
}

const MESSAGE_BYTES_MAX = 1024;

/** The classified message, which never holds a payload: at most 1 KiB of UTF-8, cut between characters. */
export function failureMessage(error: ClassifiedError): string {
  const { read } = new TextEncoder().encodeInto(error.message, new Uint8Array(MESSAGE_BYTES_MAX));
  return error.message.slice(0, read);
}

/** The headers of every dialect, in the order of the list. None of them holds a stack trace: it could quote what a driver echoed. */
export function dialectHeaders(dialects: readonly DeadLetterDialect[], facts: FailureFacts): Header[] {
  return dialects.flatMap((dialect) => WRITERS[dialect](facts));
}

const WRITERS: Readonly<Record<DeadLetterDialect, (facts: FailureFacts) => Header[]>> = {
  /** Names and encodings of KafkaHeaders: numbers are big-endian, 4 bytes for a partition or a count, 8 for an offset or a time. */
  spring: (facts) => [
    ...given('kafka_dlt-original-topic', facts.topic, textHeader),
    ...given('kafka_dlt-original-partition', facts.partition, int32Header),
    ...given('kafka_dlt-original-offset', facts.offset, int64Header),
    ...given('kafka_dlt-original-timestamp', facts.timestampMs, (name, ms) => int64Header(name, BigInt(ms))),
    // Every topic of ours keeps the time that the producer gave.
    ...given('kafka_dlt-original-timestamp-type', facts.timestampMs, (name) => textHeader(name, 'CreateTime')),
    ...given('kafka_dlt-original-consumer-group', facts.group, textHeader),
    textHeader('kafka_dlt-exception-fqcn', exceptionName(facts.error)),
    textHeader('kafka_dlt-exception-message', failureMessage(facts.error)),
    ...given('kafka_deliveryAttempt', facts.attempts, int32Header),
  ],
  /** Names of the sink's error reporter; everything is text. */
  connect: (facts) => [
    ...given('__connect.errors.topic', facts.topic, textHeader),
    ...given('__connect.errors.partition', facts.partition?.toString(), textHeader),
    ...given('__connect.errors.offset', facts.offset?.toString(), textHeader),
    textHeader('__connect.errors.connector.name', facts.reader),
    textHeader('__connect.errors.task.id', '0'),
    textHeader('__connect.errors.stage', CONNECT_STAGES[facts.error.code] ?? 'TASK_PUT'),
    textHeader('__connect.errors.class.name', facts.service),
    textHeader('__connect.errors.exception.class.name', exceptionName(facts.error)),
    textHeader('__connect.errors.exception.message', failureMessage(facts.error)),
  ],
};

/** The stage of Connect's pipeline at which such an error would arise; whatever is not here arises where records are put. */
const CONNECT_STAGES: Partial<Record<ErrorCode, string>> = {
  PAYLOAD_UNREADABLE: 'VALUE_CONVERTER',
  PAYLOAD_INVALID: 'VALUE_CONVERTER',
  SCHEMA_UNKNOWN: 'VALUE_CONVERTER',
  ENVELOPE_INVALID: 'HEADER_CONVERTER',
  EVENT_UNROUTABLE: 'TRANSFORMATION',
  RECORD_TOO_LARGE: 'KAFKA_PRODUCE',
  RECORD_REJECTED: 'KAFKA_PRODUCE',
};

/** Reads like a class's name to a tool that groups by it. */
function exceptionName({ code }: ClassifiedError): string {
  return `millrace.${code}`;
}

function given<T>(name: string, value: T | undefined, write: (name: string, value: T) => Header): Header[] {
  return value === undefined ? [] : [write(name, value)];
}

function int32Header(name: string, value: number): Header {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value);
  return [name, bytes];
}

function int64Header(name: string, value: bigint): Header {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, value);
  return [name, bytes];
}
