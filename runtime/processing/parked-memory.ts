import { recordBytes } from '../../core/record.ts';
import type { ParkedLane, TailEntry } from './parked-lane.ts';

export interface ParkedMemoryLimits {
  /** Records that are read ahead. */
  readonly recordsMax: number;
  /** Bytes of parked records in memory; half of them may be of records that are read ahead. */
  readonly bytesMax: number;
}

/** What a lane has of a page at most. */
const PAGE = { recordsMax: 50, bytesMax: 262_144 };
/** Lanes that one read asks for. */
const READ_LANES_MAX = 32;
/** Whatever is left, a record is read whole: so much is set aside for each lane of a read. Kafka's own limit when nothing else is said. */
const RECORD_BYTES = 1_048_588;

type Lane = Pick<ParkedLane<unknown>, 'tail' | 'loopBytes'>;

/**
 * What of the parked records is in memory, over all lanes of a group: those that were read ahead, and those that are back in the
 * loop. When there is little room pages become shorter, down to the one record that is handled at once; when there is none,
 * lanes that are due wait where they are, in the store. Never above `bytesMax` and one record, as long as no record is larger
 * than Kafka's default limit.
 */
export class ParkedMemory {
  private readonly limits: ParkedMemoryLimits;
  private aheadRecords = 0;
  private aheadBytes = 0;
  private loopBytes = 0;

  constructor(limits: ParkedMemoryLimits) {
    this.limits = limits;
  }

  get bytes(): number {
    return this.aheadBytes + this.loopBytes;
  }

  /** Replaces what was read ahead of the lane. */
  keep(lane: Lane, tail: TailEntry[]): void {
    this.aheadRecords += tail.length - lane.tail.length;
    this.aheadBytes += bytesOf(tail) - bytesOf(lane.tail);
    lane.tail = tail;
  }

  /** The first record that was read ahead goes into the loop. */
  enterLoop(lane: Lane): void {
    const [first, ...rest] = lane.tail;
    this.keep(lane, rest);
    this.leaveLoop(lane);
    lane.loopBytes = first === undefined ? 0 : recordBytes(first.parked.record);
    this.loopBytes += lane.loopBytes;
  }

  leaveLoop(lane: Lane): void {
    this.loopBytes -= lane.loopBytes;
    lane.loopBytes = 0;
  }

  forget(lane: Lane): void {
    this.keep(lane, []);
    this.leaveLoop(lane);
  }

  /** How many lanes may be read now. */
  get lanesToRead(): number {
    const room = this.limits.bytesMax - this.bytes;
    return room <= 0 ? 0 : Math.min(READ_LANES_MAX, Math.max(1, Math.floor(room / RECORD_BYTES)));
  }

  /** What may be read of each of so many lanes; the first record of each comes whatever its size is. */
  pageOf(lanes: number): { readonly recordsMax: number; readonly bytesMax: number } {
    const share = (max: number, used: number, most: number): number => Math.min(most, Math.max(1, Math.floor((max - used) / lanes)));
    return {
      recordsMax: share(this.limits.recordsMax, this.aheadRecords, PAGE.recordsMax),
      bytesMax: share(this.limits.bytesMax / 2, this.aheadBytes, PAGE.bytesMax),
    };
  }
}

function bytesOf(tail: readonly TailEntry[]): number {
  return tail.reduce((sum, { parked }) => sum + recordBytes(parked.record), 0);
}
