import type { Breakers } from './breakers.ts';
import type { KeyLanes } from './key-lanes.ts';
import type { Parking } from './parking.ts';
import type { PartitionEpoch } from './partition-epoch.ts';
import type { RecordInHand } from './record-in-hand.ts';
import type { StandsFor } from './stall.ts';

/** An attempt ends at its deadline; one that has not ended so much later will not end at all. */
const OVERDUE_AFTER_MS = 10_000;

/** What of the loop tells why a partition does not get on. */
export interface LoopInSight {
  readonly lanes: Pick<KeyLanes<RecordInHand>, 'headOf' | 'isFull'>;
  readonly breakers: Pick<Breakers<RecordInHand>, 'facts'>;
  readonly parking: Pick<Parking, 'waitsFor'>;
}

/**
 * Why the partition rightly does not get on: what its first unfinished record waits for, or the record ahead of that in its lane.
 * Without one, while the partition is paused, what a parked record waits for that has come back: it counts for back-pressure.
 * Undefined: nothing is known that it should wait for, or it has nothing to do.
 */
export function standsFor(epoch: PartitionEpoch<RecordInHand>, loop: LoopInSight, isPaused: boolean, nowMs: number): StandsFor | undefined {
  if (loop.parking.waitsFor !== undefined) return 'parking';
  if (!epoch.admitted) return undefined;
  const troubled = loop.breakers.facts().filter(({ state }) => state !== 'closed');
  const first = firstOf(epoch) ?? (isPaused ? anyOf(epoch) : undefined);
  if (first === undefined) return troubled.some(({ optional }) => !optional) ? 'dependency' : undefined;
  const ahead = loop.lanes.headOf(first.lane) ?? first;
  if (isCondemned(first) || isCondemned(ahead)) return 'dead-letter-topic';
  if (ahead.running !== undefined) return nowMs < ahead.running.deadlineMs + OVERDUE_AFTER_MS ? 'handler' : undefined;
  if (ahead.suspected !== undefined || troubled.length > 0) return 'dependency';
  return loop.lanes.isFull ? 'lanes-full' : undefined;
}

/** Records that were parked have their offsets behind them. */
function firstOf(epoch: PartitionEpoch<RecordInHand>): RecordInHand | undefined {
  let first: RecordInHand | undefined;
  for (const item of epoch.inHand)
    if (item.parked === undefined && (first === undefined || item.record.offset < first.record.offset)) first = item;
  return first;
}

function anyOf({ inHand }: PartitionEpoch<RecordInHand>): RecordInHand | undefined {
  return inHand.values().next().value;
}

function isCondemned({ burying, buried, condemnedFor }: RecordInHand): boolean {
  return burying || buried || condemnedFor !== undefined;
}
