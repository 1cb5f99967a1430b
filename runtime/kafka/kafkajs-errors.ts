import { ClassifiedError, type ErrorCode } from '../../core/errors.ts';

/**
 * What Kafka's answers mean for the pipeline: one table from the protocol's names to our codes. What is not in it may pass by
 * itself and is an outage: waiting loses nothing, while a wrong "never" would dead-letter good records.
 *
 * Names: Apache Kafka protocol, "Error Codes".
 */
const PROTOCOL_ERRORS: Readonly<Record<string, ErrorCode>> = {
  MESSAGE_TOO_LARGE: 'RECORD_TOO_LARGE',
  RECORD_LIST_TOO_LARGE: 'RECORD_TOO_LARGE',
  INVALID_TIMESTAMP: 'RECORD_REJECTED',
  INVALID_RECORD: 'RECORD_REJECTED',
  UNKNOWN_TOPIC_OR_PARTITION: 'CONFIGURATION_INVALID',
  INVALID_TOPIC_EXCEPTION: 'CONFIGURATION_INVALID',
  TOPIC_AUTHORIZATION_FAILED: 'CONFIGURATION_INVALID',
  GROUP_AUTHORIZATION_FAILED: 'CONFIGURATION_INVALID',
  CLUSTER_AUTHORIZATION_FAILED: 'CONFIGURATION_INVALID',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'CONFIGURATION_INVALID',
  SASL_AUTHENTICATION_FAILED: 'CONFIGURATION_INVALID',
  UNSUPPORTED_SASL_MECHANISM: 'CONFIGURATION_INVALID',
  SECURITY_DISABLED: 'CONFIGURATION_INVALID',
  UNSUPPORTED_VERSION: 'CONFIGURATION_INVALID',
  UNSUPPORTED_FOR_MESSAGE_FORMAT: 'CONFIGURATION_INVALID',
  UNSUPPORTED_COMPRESSION_TYPE: 'CONFIGURATION_INVALID',
  INCONSISTENT_GROUP_PROTOCOL: 'CONFIGURATION_INVALID',
  INVALID_GROUP_ID: 'CONFIGURATION_INVALID',
  INVALID_SESSION_TIMEOUT: 'CONFIGURATION_INVALID',
  INVALID_PARTITIONS: 'CONFIGURATION_INVALID',
  INVALID_REPLICATION_FACTOR: 'CONFIGURATION_INVALID',
  INVALID_CONFIG: 'CONFIGURATION_INVALID',
  POLICY_VIOLATION: 'CONFIGURATION_INVALID',
  TOPIC_DELETION_DISABLED: 'CONFIGURATION_INVALID',
};

/** Errors that kafkajs raises itself, by class. */
const CLIENT_ERRORS: Readonly<Record<string, ErrorCode>> = {
  KafkaJSSASLAuthenticationError: 'CONFIGURATION_INVALID',
  KafkaJSServerDoesNotSupportApiKey: 'CONFIGURATION_INVALID',
  // A compression codec that is not built in: every record of the batch is unreadable until the codec is there.
  KafkaJSNotImplemented: 'CONFIGURATION_INVALID',
};

/** What they say to a person, who does not know the classes of a library. A protocol error is said by its own name. */
const CLIENT_WORDS: Readonly<Partial<Record<string, string>>> = {
  KafkaJSConnectionError: 'no connection to a broker',
  KafkaJSConnectionClosedError: 'the connection to a broker was closed',
  KafkaJSRequestTimeoutError: 'a broker did not answer in time',
  KafkaJSLockTimeout: 'a broker did not answer in time',
  KafkaJSNumberOfRetriesExceeded: 'no broker answered',
  KafkaJSBrokerNotFound: 'no broker is known',
  KafkaJSGroupCoordinatorNotFound: 'no broker coordinates the group',
  KafkaJSMetadataNotLoaded: 'no broker says where the partitions are',
  KafkaJSTopicMetadataNotLoaded: 'no broker says where the partitions are',
  KafkaJSSASLAuthenticationError: 'the broker refuses the user or its password',
  KafkaJSServerDoesNotSupportApiKey: 'the broker is too old for this request',
  KafkaJSNotImplemented: 'the compression of the records is not supported',
};

/** After these the broker and an idempotent producer disagree about sequences; a new producer id ends that. */
const LOST_SEQUENCE = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
]);

/** The group has gone on without this member: what it wants to commit is not its own any more. */
const NOT_A_MEMBER = new Set(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID']);

/** @param doing what was tried, in the words of the pipeline: `the records could not be sent`. */
export function classifyKafkaError(thrown: unknown, doing: string): ClassifiedError {
  if (thrown instanceof ClassifiedError) return thrown;
  const name = kafkaErrorName(thrown);
  const code = name === undefined ? 'KAFKA_UNAVAILABLE' : (PROTOCOL_ERRORS[name] ?? CLIENT_ERRORS[name] ?? 'KAFKA_UNAVAILABLE');
  return new ClassifiedError(code, name === undefined ? doing : `${doing}: ${wordsFor(name)}`, { cause: thrown });
}

function wordsFor(name: string): string {
  return name.startsWith('KafkaJS') ? (CLIENT_WORDS[name] ?? 'the client failed') : name;
}

export function isUnknownTopic(thrown: unknown): boolean {
  return kafkaErrorName(thrown) === 'UNKNOWN_TOPIC_OR_PARTITION';
}

export function isLostSequence(thrown: unknown): boolean {
  return LOST_SEQUENCE.has(kafkaErrorName(thrown) ?? '');
}

export function isNotAMember(thrown: unknown): boolean {
  return NOT_A_MEMBER.has(kafkaErrorName(thrown) ?? '');
}

/**
 * The protocol's name of the error, else kafkajs's name of its class. kafkajs wraps errors in each other (retries used up)
 * and in lists (one per topic); the innermost name is the one that says something.
 */
export function kafkaErrorName(thrown: unknown): string | undefined {
  let name: string | undefined;
  let current = thrown;
  for (let depth = 0; depth < 8 && current instanceof Error; depth += 1) {
    const error: Error & { type?: unknown; errors?: unknown } = current;
    if (typeof error.type === 'string') return error.type;
    if (error.name.startsWith('KafkaJS')) name = error.name;
    current = Array.isArray(error.errors) ? (error.errors as unknown[])[0] : error.cause;
  }
  return name;
}
