import type { Dependency } from '../../core/dependency.ts';
import type { Envelope } from '../../core/envelope.ts';
import { parseEnvelope } from '../../core/envelope.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import { classified } from '../../core/errors.ts';
import type { ParkedRecord } from '../../core/parked-records.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import { keyTextOf, recordBytes } from '../../core/record.ts';
import type { PartitionEpoch } from './partition-epoch.ts';

/** One attempt at a record, while it runs. */
export interface RunningAttempt {
  readonly eventType: string;
  /** Monotonic milliseconds, as are those of the deadline. */
  readonly beganAtMs: number;
  readonly deadlineMs: number;
  /** Ends it at once and without its result. */
  cutOff(error: ClassifiedError): void;
}

/** A record from its intake until it leaves by a door or is given back. */
export interface RecordInHand {
  readonly record: ConsumedRecord;
  readonly epoch: PartitionEpoch<RecordInHand>;
  /** Records of one lane are handled one at a time, in order. */
  readonly lane: string;
  /** Its place in the log. */
  readonly id: string;
  /** What the headers say, or why they cannot be understood. */
  readonly envelope: Envelope | ClassifiedError;
  readonly bytes: number;
  /** Monotonic milliseconds. */
  readonly takenAtMs: number;
  /** Set when it comes from where it waited: its offset is finished long since. */
  readonly parked: ParkedRecord | undefined;
  attempt: number;
  immediateTries: number;
  /** Failed writes of its dead letter, one after another. */
  deadLetterFailures: number;
  /** Milliseconds since the epoch. */
  firstFailedAtMs: number | undefined;
  /** Set once the record is condemned: what is left to do is to write its dead letter. */
  condemnedFor: ClassifiedError | undefined;
  /** Its dead letter is on its way: a rebalance waits for it. */
  burying: boolean;
  /** Its dead letter is durable; what is left is to write down that its key goes on, or is blocked. */
  buried: boolean;
  /** What its attempt waits for, or waited for last. */
  awaiting: Dependency | undefined;
  /** Its failure may be a dependency's fault: it waits for the verdict. */
  suspected: ClassifiedError | undefined;
  /** What was taken for an outage and is its own failure. */
  blamedFor: ClassifiedError | undefined;
  /** The attempt that runs. */
  running: RunningAttempt | undefined;
  /** It left by a door or was given back: whatever still runs for it is ignored. */
  readonly gone: boolean;
  go(): void;
}

/** Never throws: what is wrong with the record becomes part of it. */
export function takeInHand(
  record: ConsumedRecord,
  epoch: PartitionEpoch<RecordInHand>,
  lane: string,
  takenAtMs: number,
  parked?: ParkedRecord,
): RecordInHand {
  return new TakenRecord(record, epoch, lane, takenAtMs, parked);
}

/**
 * Thousands of records wait in their lanes while some hundreds run: one that waits is held as it came, and its envelope is
 * read when its turn has come. What lives long costs the collector twice. A record that has waited is old to the collector, and
 * what it refers to lives as long as it, dead or not, until the next full collection: what an attempt has made is let go with it.
 */
class TakenRecord implements RecordInHand {
  readonly record: ConsumedRecord;
  readonly epoch: PartitionEpoch<RecordInHand>;
  readonly lane: string;
  readonly bytes: number;
  readonly takenAtMs: number;
  readonly parked: ParkedRecord | undefined;
  attempt: number;
  immediateTries = 0;
  deadLetterFailures = 0;
  firstFailedAtMs: number | undefined;
  condemnedFor: ClassifiedError | undefined = undefined;
  burying = false;
  buried = false;
  awaiting: Dependency | undefined = undefined;
  suspected: ClassifiedError | undefined = undefined;
  blamedFor: ClassifiedError | undefined = undefined;
  running: RecordInHand['running'] = undefined;
  gone = false;
  private readEnvelope: Envelope | ClassifiedError | undefined = undefined;

  constructor(
    record: ConsumedRecord,
    epoch: PartitionEpoch<RecordInHand>,
    lane: string,
    takenAtMs: number,
    parked: ParkedRecord | undefined,
  ) {
    this.record = record;
    this.epoch = epoch;
    this.lane = lane;
    this.bytes = recordBytes(record);
    this.takenAtMs = takenAtMs;
    this.parked = parked;
    this.attempt = parked === undefined ? 1 : parked.attempts + 1;
    this.firstFailedAtMs = parked?.firstFailedAtMs;
  }

  get id(): string {
    const { topic, partition, offset } = this.record;
    return `${topic}/${partition}/${offset}`;
  }

  go(): void {
    this.gone = true;
    this.readEnvelope = undefined;
  }

  get envelope(): Envelope | ClassifiedError {
    this.readEnvelope ??= envelopeOf(this.record);
    return this.readEnvelope;
  }
}

/** What the headers say, or why they cannot be understood. */
export function envelopeOf(record: ConsumedRecord): Envelope | ClassifiedError {
  try {
    return parseEnvelope(record.headerBlock ?? record.headers, keyTextOf(record));
  } catch (error) {
    return classified(error, 'ENVELOPE_INVALID', 'the headers of the record cannot be read');
  }
}
