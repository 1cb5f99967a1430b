import type { Envelope } from '../../core/envelope.ts';
import { parseEnvelope } from '../../core/envelope.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import { classified } from '../../core/errors.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import { recordBytes, utf8Text } from '../../core/record.ts';
import type { PartitionEpoch } from './partition-epoch.ts';

/** A record from its intake until it leaves by a door or is given back. */
export interface RecordInHand {
  readonly record: ConsumedRecord;
  readonly epoch: PartitionEpoch<RecordInHand>;
  /** Records of one lane are handled one at a time, in order. */
  readonly lane: string;
  /** What the headers say, or why they cannot be understood. */
  readonly envelope: Envelope | ClassifiedError;
  readonly bytes: number;
  /** Monotonic milliseconds. */
  readonly takenAtMs: number;
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
  /** The attempt that runs, or the last one; `cutOff` ends it at once and without its result. */
  running: { cutOff(error: ClassifiedError): void } | undefined;
  /** It left by a door or was given back: whatever still runs for it is ignored. */
  gone: boolean;
}

/** Never throws: what is wrong with the record becomes part of it. */
export function takeInHand(record: ConsumedRecord, epoch: PartitionEpoch<RecordInHand>, takenAtMs: number): RecordInHand {
  const key = record.key === null ? undefined : utf8Text(record.key);
  return {
    record,
    epoch,
    // By key over all topics of the group, so that one user's events never run beside each other. A record without a key has only its partition.
    lane: key === undefined ? `\0${record.topic}/${record.partition}` : key,
    envelope: readEnvelope(record, key),
    bytes: recordBytes(record),
    takenAtMs,
    attempt: 1,
    immediateTries: 0,
    deadLetterFailures: 0,
    firstFailedAtMs: undefined,
    condemnedFor: undefined,
    burying: false,
    running: undefined,
    gone: false,
  };
}

function readEnvelope(record: ConsumedRecord, key: string | undefined): Envelope | ClassifiedError {
  try {
    return parseEnvelope(record.headers, key);
  } catch (error) {
    return classified(error, 'ENVELOPE_INVALID', 'the headers of the record cannot be read');
  }
}
