import type { ClassifiedError } from '../../core/errors.ts';
import type { ParkedRecord } from '../../core/parked-records.ts';

/**
 * What a lane that is held does.
 *
 * - `writing`: all that is known of it is on its way to the store.
 * - `waiting`: for the due time of its first record.
 * - `blocked`: its first record was given up, and a person must say how it goes on.
 * - `queued`, `reading`: its first records are wanted from the store.
 * - `handling`: one of its records is in the loop.
 * - `settling`: how an attempt ended is on its way to the store, and decides what follows.
 * - `over`: it is released, or its partitions are given away.
 */
export type LanePhase = 'writing' | 'waiting' | 'blocked' | 'queued' | 'reading' | 'handling' | 'settling' | 'over';

/** A parked record that was read and whose turn has not come; its due time on the monotonic scale. */
export interface TailEntry {
  readonly parked: ParkedRecord;
  readonly dueAtMs: number;
}

/** A lane of which records are parked: what comes for it is parked behind them. */
export interface ParkedLane<E> {
  readonly name: string;
  /** Why the first record that was parked here waits. */
  readonly error: ClassifiedError;
  /** The stays of those partitions from which it has records. */
  readonly partitions: Set<E>;
  phase: LanePhase;
  /** Monotonic milliseconds. */
  dueAtMs: number;
  /** Records on their way to the store. */
  parking: number;
  /** Settlements on their way to the store. */
  settling: number;
  /** Records that the store has refused and whose letters are not durable yet: what comes behind them is not parked before. */
  refused: number;
  /** Since the store was read last, records were parked that it may not have shown. */
  grown: boolean;
  /** Since the store was read last, somebody else has changed the lane. */
  stale: boolean;
  /** The last read showed the lane's end. */
  complete: boolean;
  /** What was read and not handed over yet. */
  tail: TailEntry[];
  /** Of its record that is in the loop. */
  loopBytes: number;
}

export function parkedLane<E>(name: string, error: ClassifiedError, dueAtMs: number): ParkedLane<E> {
  return {
    name,
    error,
    partitions: new Set(),
    phase: 'writing',
    dueAtMs,
    parking: 0,
    settling: 0,
    refused: 0,
    grown: false,
    stale: false,
    complete: false,
    tail: [],
    loopBytes: 0,
  };
}

export type LaneStep =
  | { readonly kind: 'hand-over'; readonly entry: TailEntry }
  | { readonly kind: 'wait'; readonly dueAtMs: number }
  | { readonly kind: 'block' }
  /** What an earlier attempt left must be durable before it is known what follows. */
  | { readonly kind: 'settle' }
  /** Only the store knows what comes next. */
  | { readonly kind: 'read' }
  /** Nothing can be read before what is parked has arrived. */
  | { readonly kind: 'write' }
  /** Nothing waits any more: what comes next is handled at once. */
  | { readonly kind: 'release' };

/**
 * What a lane does next when none of its records is in the loop. Pure.
 *
 * It is released only when a read that began after its last park was durable has shown its end, every record before that has
 * left, and their rows are gone: so nothing is left behind, and what comes next comes after all of them.
 */
export function nextStep(
  lane: Pick<ParkedLane<unknown>, 'tail' | 'parking' | 'settling' | 'grown' | 'stale' | 'complete'>,
  nowMs: number,
): LaneStep {
  const [entry] = lane.stale ? [] : lane.tail;
  if (entry !== undefined) {
    if (entry.parked.blocked) return { kind: 'block' };
    return entry.dueAtMs > nowMs ? { kind: 'wait', dueAtMs: entry.dueAtMs } : { kind: 'hand-over', entry };
  }
  if (lane.settling > 0) return { kind: 'settle' };
  if (lane.stale || !lane.complete) return { kind: 'read' };
  if (lane.parking > 0) return { kind: 'write' };
  return lane.grown ? { kind: 'read' } : { kind: 'release' };
}
