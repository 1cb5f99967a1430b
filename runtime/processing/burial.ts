import type { Producer } from '../../core/broker.ts';
import type { Clock } from '../../core/clock.ts';
import type { DeadLetterDialect } from '../../core/dead-letter-dialect.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import { classified } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { recordBytes } from '../../core/record.ts';
import { reconnectDelayMs } from '../../core/retry-policy.ts';
import { deadLetter } from './dead-letter.ts';
import { DeadLetterWriter } from './dead-letter-writer.ts';
import type { Failpoint } from './failpoint.ts';
import type { LaneVerdict } from './key-lanes.ts';
import { recordLogFields } from './record-log-fields.ts';
import type { RecordInHand } from './record-in-hand.ts';

interface BurialOptions {
  readonly group: string;
  readonly service: string;
  readonly producer: Pick<Producer, 'send'>;
  readonly deadLetterTopicOf: (topic: string) => string;
  readonly deadLetterDialects: readonly DeadLetterDialect[];
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly failpoint: Failpoint;
  readonly pause: (ms: number) => Promise<void>;
  /** The letter is durable. */
  readonly onBuried: (item: RecordInHand, error: ClassifiedError) => void;
}

/** A dead letter that its topic has not taken. */
export interface Unwritten {
  readonly topic: string;
  readonly failure: ClassifiedError;
  /** Key, value and headers of the letter. */
  readonly letterBytes: number;
}

const LIMIT_STEP_BYTES = 65_536;
/** What a record batch has beside the bytes of its one record. */
const BATCH_ROOM_BYTES = 4_096;

/** What to do about it, as exactly as it can be said. Pure. */
export function remedyFor({ topic, failure, letterBytes }: Unwritten): string {
  if (failure.code !== 'RECORD_TOO_LARGE')
    return `${topic}: ${failure.code}. ${failure.remedy} A missing topic, or partition of it, is made by \`millrace apply\`.`;
  const limit = Math.ceil((letterBytes + BATCH_ROOM_BYTES) / LIMIT_STEP_BYTES) * LIMIT_STEP_BYTES;
  return (
    `${topic} refuses a letter of ${letterBytes} bytes. Raise its max.message.bytes: \`kafka-configs --bootstrap-server <broker> --alter ` +
    `--entity-type topics --entity-name ${topic} --add-config max.message.bytes=${limit}\` (\`millrace apply\` never lowers it). The letter is written soon after.`
  );
}

/**
 * Takes condemned records to their dead-letter topic. A record leaves only when the topic has acknowledged its letter; until
 * then it stays the head of its lane, its offset is not passed, and the write is tried again for as long as it takes,
 * whatever the reason: a topic that is missing, full, forbidden or too small for the record is the operator's to mend, and
 * no bytes are given up for it. Dead-letter topics therefore allow larger records than the topics they belong to.
 */
export class Burial {
  private readonly options: BurialOptions;
  private readonly writer: DeadLetterWriter;
  private readonly failing = new Map<RecordInHand, Unwritten>();
  private readonly begun = new WeakMap<RecordInHand, Promise<void>>();

  constructor(options: BurialOptions) {
    this.options = options;
    this.writer = new DeadLetterWriter(options.producer);
  }

  /** Records whose letter could not be written yet. */
  get unburied(): number {
    return this.failing.size;
  }

  /** Why the one that fails for the longest could not be written. */
  get unwritten(): Unwritten | undefined {
    return this.failing.values().next().value;
  }

  /**
   * The lane waits, but none of the places among the running is taken: other keys go on. A record whose letter is on its way
   * already waits for that one: another may have been put in front of it, and have left first.
   */
  bury(item: RecordInHand, error: ClassifiedError): LaneVerdict {
    const begun = item.burying ? this.begun.get(item) : undefined;
    if (begun !== undefined) return { kind: 'again', after: begun };
    item.condemnedFor = error;
    item.burying = true;
    item.epoch.runBegins();
    const after = this.write(item, error);
    this.begun.set(item, after);
    return { kind: 'again', after };
  }

  forget(item: RecordInHand): void {
    this.failing.delete(item);
  }

  private async write(item: RecordInHand, error: ClassifiedError): Promise<void> {
    const written = await this.tryToWrite(item, error);
    item.burying = false;
    item.epoch.runEnds();
    if (!written && !item.gone) await this.options.pause(reconnectDelayMs(item.deadLetterFailures, this.options.random()));
  }

  private async tryToWrite(item: RecordInHand, error: ClassifiedError): Promise<boolean> {
    const { group, service, clock, failpoint, deadLetterDialects } = this.options;
    const topic = this.options.deadLetterTopicOf(item.record.topic);
    const failedAtMs = clock.nowMs();
    const firstFailedAtMs = item.firstFailedAtMs ?? failedAtMs;
    const why = { group, service, error, attempts: item.attempt, firstFailedAtMs, failedAtMs };
    const letter = deadLetter(item.record, topic, why, deadLetterDialects);
    try {
      await failpoint('before-dead-letter');
      await this.writer.write(letter);
      await failpoint('after-dead-letter');
    } catch (thrown) {
      const failure = classified(thrown, 'KAFKA_UNAVAILABLE', 'the dead letter could not be written');
      this.failed(item, { topic, failure, letterBytes: recordBytes(letter) });
      return false;
    }
    this.failing.delete(item);
    item.buried = true;
    if (!item.gone) this.options.onBuried(item, error);
    return true;
  }

  private failed(item: RecordInHand, unwritten: Unwritten): void {
    const { topic, failure } = unwritten;
    item.deadLetterFailures += 1;
    if (item.gone) return;
    this.failing.set(item, unwritten);
    this.options.logger.error(
      { ...recordLogFields(item), 'error.code': failure.code, dead_letter_topic: topic, failures: item.deadLetterFailures },
      `the dead letter cannot be written, its partition waits: ${remedyFor(unwritten)}`,
      failure,
    );
  }
}
