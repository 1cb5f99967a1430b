import type { ClassifiedError } from '../../core/errors.ts';
import type { ConsumedRecord } from '../../core/record.ts';

/** A record that has to wait. */
export interface ParkingRequest {
  readonly group: string;
  /** The record's lane, which is its key: what is parked keeps the order of its lane. */
  readonly lane: string;
  readonly record: ConsumedRecord;
  /** Attempts used up; 0 for a record that is parked only because an earlier one of its lane is. */
  readonly attempts: number;
  readonly delayMs: number;
  /** Milliseconds since the epoch. */
  readonly firstFailedAtMs: number | undefined;
  /** Why it waits: its own error, or that of the record that it waits behind. */
  readonly error: ClassifiedError;
}

export type ParkingPlace =
  /** Durable elsewhere: the record leaves by the door `retried` and will be handled again, in the order of its lane. */
  | { readonly kind: 'parked' }
  /** Nowhere but here: the record stays at the head of its lane, which waits with it, and its offset is not committed. */
  | { readonly kind: 'in-place' };

/**
 * Where records wait for their next attempt, in the order of their lane: what comes behind a parked record is parked
 * behind it, and other lanes do not notice.
 */
export interface Parking {
  /** Set when an earlier record of the lane is parked: the next one must be parked behind it, unhandled. Answers from memory. */
  heldFor(lane: string): ClassifiedError | undefined;
  /** Rejects with a ClassifiedError of an outage when the place cannot be reached; the record then waits for it. */
  park(request: ParkingRequest): Promise<ParkingPlace>;
}
