import type { ErrorCode } from './errors.ts';
import type { ConsumedRecord, TopicPartition } from './record.ts';

/** Why a record waits: its own error, or that of the record that it waits behind. */
export interface ParkedError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** A record that is to wait. */
export interface RecordToPark {
  /** What keeps its order: records of one lane are handled one after another. */
  readonly lane: string;
  readonly record: ConsumedRecord;
  /** Attempts used up; 0 for a record that only waits behind an earlier one of its lane. */
  readonly attempts: number;
  /** Until its next attempt; 0 for one that waits behind another. */
  readonly delayMs: number;
  /** Given up and in the dead letters: its lane waits for a person. */
  readonly blocked: boolean;
  /** Milliseconds since the epoch. */
  readonly firstFailedAtMs: number | undefined;
  readonly error: ParkedError;
  /** From its envelope; undefined when that cannot be read. */
  readonly event: { readonly id: string; readonly type: string; readonly traceId: string } | undefined;
}

/** A record that waits. */
export interface ParkedRecord {
  readonly lane: string;
  /** Its place in its lane: ascending, with gaps. */
  readonly seq: bigint;
  readonly record: ConsumedRecord;
  readonly attempts: number;
  /** From now, by the clock of the store; 0 when it is due. */
  readonly dueInMs: number;
  readonly blocked: boolean;
  readonly firstFailedAtMs: number | undefined;
  /** How often it was given back while it waited. */
  readonly given: number;
  /** Nothing waits behind it in its lane, in the partitions that were asked for. */
  readonly isLast: boolean;
}

/** The first record of a lane in one partition. */
export interface ParkedHead extends TopicPartition {
  readonly lane: string;
  readonly seq: bigint;
  readonly dueInMs: number;
  readonly blocked: boolean;
}

/** How the attempt of a parked record ended. */
export type Settlement =
  /** It had its effect, or needs none: it waits no more. */
  | { readonly kind: 'finished'; readonly parked: ParkedRecord }
  /** It is in the dead letters, and its lane goes on: it waits no more, unless somebody has given it back since it was read. */
  | { readonly kind: 'buried'; readonly parked: ParkedRecord }
  | {
      readonly kind: 'again';
      readonly parked: ParkedRecord;
      readonly attempts: number;
      readonly delayMs: number;
      readonly firstFailedAtMs: number;
      readonly error: ParkedError;
    }
  /** It is in the dead letters, and its lane waits for a person, unless somebody has given it back since it was read. */
  | { readonly kind: 'blocked'; readonly parked: ParkedRecord; readonly attempts: number; readonly error: ParkedError };

/** What waits in some partitions of a group. */
export interface ParkedSurvey {
  readonly records: number;
  readonly lanes: number;
  /** Since the record that waits longest was parked; 0 for none. */
  readonly oldestAgeMs: number;
  readonly blockedLanes: number;
  /** Since the lane that is blocked longest is; 0 for none. */
  readonly blockedForMs: number;
  /** Changes whenever somebody else than the owners of the partitions has changed something in the group. */
  readonly revision: bigint;
  /** Records of the group that operators have discarded, ever. */
  readonly discarded: number;
}

/**
 * The records of one consumer group that wait for their next attempt. Every call is about the partitions that it names, which
 * the caller owns. What resolves is durable. Rejects with a ClassifiedError, an outage when the store cannot be reached; a
 * write may then have happened, and may be repeated. A write rejects with PARKING_REFUSED when something in it can never be
 * stored: then nothing of it happened, and it is refused again however often it is repeated.
 */
export interface ParkedRecords {
  /** Of each lane and partition the first record. Not bounded: one entry per key that waits. */
  heads(partitions: readonly TopicPartition[]): Promise<readonly ParkedHead[]>;
  /** The first records of each lane, in their order: at most `recordsMax` per lane, and beyond its first one none above `bytesMax` in all (keys, values and headers). */
  read(
    lanes: readonly string[],
    partitions: readonly TopicPartition[],
    limits: { readonly recordsMax: number; readonly bytesMax: number },
  ): Promise<readonly ParkedRecord[]>;
  /**
   * Puts the records at the end of their lanes, in the given order. One that waits already (same partition, offset, timestamp and
   * event id) stays as it is; the same offset alone may be that of a topic that was made again.
   */
  park(records: readonly RecordToPark[]): Promise<void>;
  /** What is gone, was given another attempt or, of what is given up, was given back meanwhile, is left alone. */
  settle(settlements: readonly Settlement[]): Promise<void>;
  survey(partitions: readonly TopicPartition[]): Promise<ParkedSurvey>;
}
