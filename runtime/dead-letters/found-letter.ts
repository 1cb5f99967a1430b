import type { LetterQueue } from './letter-queues.ts';
import type { AddressedLetter, LetterState } from './letter-states.ts';

/** A letter as it was read, whose it is, and what became of it by then. */
export interface FoundLetter extends AddressedLetter {
  readonly queue: LetterQueue;
  readonly state: LetterState;
}
