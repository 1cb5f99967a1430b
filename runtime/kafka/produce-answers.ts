import type { ErrorCode } from '../../core/errors.ts';

/**
 * What the answer of a partition's leader to a produce request means. One table, no default by accident: an answer that is not
 * in it may pass by itself, and may have been given after the append.
 *
 * - `appended`: all in-sync replicas have the batch.
 * - `again`: the same bytes again. `leaderMoved`: ask first who leads. `mayBeAppended`: the append may have happened already.
 * - `again-briefly`: as `again`, but what lasts for seconds is final and gets the code.
 * - `next-epoch`, `next-identity`: broker and producer disagree about sequences, see PartitionSequence.
 * - `never`: nothing was appended, and the same bytes will never be.
 *
 * Names and numbers: Apache Kafka protocol, "Error Codes".
 */
export type ProduceVerdict =
  | { readonly then: 'appended' }
  | { readonly then: 'again'; readonly mayBeAppended: boolean; readonly leaderMoved: boolean }
  | { readonly then: 'again-briefly'; readonly code: ErrorCode }
  | { readonly then: 'next-epoch' }
  | { readonly then: 'next-identity' }
  | { readonly then: 'never'; readonly code: ErrorCode };

export interface ProduceAnswer {
  readonly name: string;
  readonly verdict: ProduceVerdict;
}

const APPENDED = { then: 'appended' } as const;
const NOT_YET = { then: 'again', mayBeAppended: false, leaderMoved: false } as const;
const ELSEWHERE = { then: 'again', mayBeAppended: false, leaderMoved: true } as const;
const UNCLEAR = { then: 'again', mayBeAppended: true, leaderMoved: false } as const;
const UNCLEAR_ELSEWHERE = { then: 'again', mayBeAppended: true, leaderMoved: true } as const;
const NO_SUCH_TOPIC = { then: 'again-briefly', code: 'CONFIGURATION_INVALID' } as const;
const DAMAGED = { then: 'again-briefly', code: 'RECORD_REJECTED' } as const;
const TOO_LARGE = { then: 'never', code: 'RECORD_TOO_LARGE' } as const;
const REJECTED = { then: 'never', code: 'RECORD_REJECTED' } as const;
const MISCONFIGURED = { then: 'never', code: 'CONFIGURATION_INVALID' } as const;
const NEXT_EPOCH = { then: 'next-epoch' } as const;
const NEXT_IDENTITY = { then: 'next-identity' } as const;

const ANSWERS: ReadonlyMap<number, readonly [name: string, verdict: ProduceVerdict]> = new Map([
  [0, ['NONE', APPENDED]],
  [2, ['CORRUPT_MESSAGE', DAMAGED]],
  [3, ['UNKNOWN_TOPIC_OR_PARTITION', NO_SUCH_TOPIC]],
  [5, ['LEADER_NOT_AVAILABLE', ELSEWHERE]],
  [6, ['NOT_LEADER_OR_FOLLOWER', ELSEWHERE]],
  [7, ['REQUEST_TIMED_OUT', UNCLEAR]],
  [8, ['BROKER_NOT_AVAILABLE', ELSEWHERE]],
  [9, ['REPLICA_NOT_AVAILABLE', ELSEWHERE]],
  [10, ['MESSAGE_TOO_LARGE', TOO_LARGE]],
  [13, ['NETWORK_EXCEPTION', UNCLEAR_ELSEWHERE]],
  [17, ['INVALID_TOPIC_EXCEPTION', MISCONFIGURED]],
  [18, ['RECORD_LIST_TOO_LARGE', TOO_LARGE]],
  [19, ['NOT_ENOUGH_REPLICAS', NOT_YET]],
  [20, ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', UNCLEAR]],
  [21, ['INVALID_REQUIRED_ACKS', MISCONFIGURED]],
  [29, ['TOPIC_AUTHORIZATION_FAILED', MISCONFIGURED]],
  [31, ['CLUSTER_AUTHORIZATION_FAILED', MISCONFIGURED]],
  // A clock, or a limit of the topic, is wrong, not the record: each record would meet the same.
  [32, ['INVALID_TIMESTAMP', MISCONFIGURED]],
  [35, ['UNSUPPORTED_VERSION', MISCONFIGURED]],
  [43, ['UNSUPPORTED_FOR_MESSAGE_FORMAT', MISCONFIGURED]],
  [44, ['POLICY_VIOLATION', MISCONFIGURED]],
  [45, ['OUT_OF_ORDER_SEQUENCE_NUMBER', NEXT_EPOCH]],
  // It has these numbers, and no other batch ever had them.
  [46, ['DUPLICATE_SEQUENCE_NUMBER', APPENDED]],
  [47, ['INVALID_PRODUCER_EPOCH', NEXT_IDENTITY]],
  [49, ['INVALID_PRODUCER_ID_MAPPING', NEXT_IDENTITY]],
  [53, ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', MISCONFIGURED]],
  [56, ['KAFKA_STORAGE_ERROR', UNCLEAR_ELSEWHERE]],
  [59, ['UNKNOWN_PRODUCER_ID', NEXT_EPOCH]],
  [74, ['FENCED_LEADER_EPOCH', ELSEWHERE]],
  [75, ['UNKNOWN_LEADER_EPOCH', ELSEWHERE]],
  [76, ['UNSUPPORTED_COMPRESSION_TYPE', MISCONFIGURED]],
  [87, ['INVALID_RECORD', REJECTED]],
  [89, ['THROTTLING_QUOTA_EXCEEDED', NOT_YET]],
  [90, ['PRODUCER_FENCED', NEXT_IDENTITY]],
]);

export function produceAnswer(errorCode: number): ProduceAnswer {
  const row = ANSWERS.get(errorCode);
  return row === undefined ? { name: `error ${errorCode}`, verdict: UNCLEAR_ELSEWHERE } : { name: row[0], verdict: row[1] };
}

/** The answer never came: the request, or what it caused, may be on its way. */
export const NO_ANSWER: ProduceVerdict = UNCLEAR_ELSEWHERE;

/** Nothing was sent: no connection, no leader. */
export const NOT_SENT: ProduceVerdict = ELSEWHERE;
