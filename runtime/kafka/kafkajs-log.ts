import { logLevel, type LogEntry } from 'kafkajs';
import type { LogFields, Logger } from '../../core/log.ts';

/** Fields of kafkajs's log entries that are names, ids or numbers. Everything else may hold anything and stays out. */
const FIELDS: Readonly<Record<string, string>> = {
  groupId: 'kafka.group',
  memberId: 'kafka.member',
  topic: 'kafka.topic',
  partition: 'kafka.partition',
  broker: 'kafka.broker',
  clientId: 'kafka.client',
  retryCount: 'kafka.retry',
  retryTime: 'kafka.retry_ms',
  error: 'error.message',
};

/** Warnings that do not hold here: a producer of ours never outlives a failed send (see KafkaJsProducerLife). */
const UNFOUNDED = 'Limiting retries for the idempotent producer';

/** A log creator for kafkajs that writes to our logger and nowhere else. */
export function kafkaJsLogCreator(logger: Logger): () => (entry: LogEntry) => void {
  return () => (entry) => {
    write(logger, entry);
  };
}

/**
 * kafkajs calls much an error that its own retries then mend: for us that is a warning, because the adapter says itself when
 * something has failed. The exception is a position that the log no longer has: records were lost to retention.
 */
function write(logger: Logger, { level, namespace, log }: LogEntry): void {
  const fields = { 'log.origin': `kafkajs ${namespace}`.trim(), ...knownFields(log) };
  const message = `kafkajs: ${log.message}`;
  if (log.message.startsWith('Offset out of range')) logger.error(fields, message);
  else if ((level === logLevel.ERROR || level === logLevel.WARN) && !log.message.startsWith(UNFOUNDED)) logger.warn(fields, message);
  else logger.debug(fields, message);
}

function knownFields(log: LogEntry['log']): LogFields {
  const fields: Record<string, string | number> = {};
  for (const [theirs, ours] of Object.entries(FIELDS)) {
    const value: unknown = log[theirs];
    if (typeof value === 'string' || typeof value === 'number') fields[ours] = value;
  }
  return fields;
}
