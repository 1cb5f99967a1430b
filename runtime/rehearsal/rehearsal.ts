import type { CallName } from '../../core/calls.ts';
import type { PayloadDecoder } from '../../core/codec.ts';
import type { Clock } from '../../core/clock.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import type { HandlerResult, SkipReason } from '../../core/outcome.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import { AttemptDeadlines } from '../processing/attempt-deadlines.ts';
import { NO_BREAKERS, attempt } from '../processing/attempt.ts';
import type { EventHandler } from '../processing/event-handler.ts';
import { PartitionEpoch } from '../processing/partition-epoch.ts';
import { takeInHand } from '../processing/record-in-hand.ts';
import type { Effects } from './effect-notes.ts';
import { EffectNotes } from './effect-notes.ts';

/** What a group would do with a record if it came now. */
export type Rehearsal =
  | { readonly kind: 'acked'; readonly effects: Effects }
  | { readonly kind: 'skipped'; readonly reason: SkipReason }
  | { readonly kind: 'failed'; readonly error: ClassifiedError }
  /** It gets as far as this declared call, which was not made. */
  | { readonly kind: 'needs-call'; readonly call: CallName };

export interface RehearsalOptions {
  readonly group: string;
  readonly decoder: PayloadDecoder;
  readonly wanted: ReadonlySet<string>;
  readonly known: ReadonlySet<string>;
  /** The group's handler over what writes nothing, and takes down in the notes what it would have written. */
  readonly handlerFor: (notes: EffectNotes) => EventHandler;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

export interface GroupRehearsal {
  /**
   * Really decodes and handles the record, by the code and the data of now, and leaves nothing behind. Never rejects. Each
   * record is rehearsed alone: it does not see what the ones before it would have changed.
   */
  rehearse(record: ConsumedRecord): Promise<Rehearsal>;
  stop(): void;
}

/** The lane of a record that nobody waits for. */
const ALONE = '';
/** More than one attempt follows, so that nothing decides as it does when attempts are used up. */
const NOT_THE_LAST_ATTEMPT = { delaysMs: [1, 1], jitter: 0 };

export function createRehearsal(options: RehearsalOptions): GroupRehearsal {
  const { clock, handlerFor, timeoutMs } = options;
  const deadlines = new AttemptDeadlines(clock);
  return {
    async rehearse(record) {
      const notes = new EffectNotes();
      const item = takeInHand(record, new PartitionEpoch(record), ALONE, clock.monotonicMs());
      const limits = { deadlines, timeoutMsOf: () => timeoutMs, retryPolicy: NOT_THE_LAST_ATTEMPT, breakers: NO_BREAKERS };
      const deps = { ...options, ...limits, handler: handlerFor(notes) };
      const result = await attempt(item, deps);
      return rehearsalOf(result, notes);
    },
    stop: () => deadlines.stop(),
  };
}

function rehearsalOf(result: HandlerResult, notes: EffectNotes): Rehearsal {
  if (result.kind === 'acked') return { kind: 'acked', effects: notes };
  if (result.kind === 'skipped') return { kind: 'skipped', reason: result.reason };
  if (notes.callLeftOut !== undefined) return { kind: 'needs-call', call: notes.callLeftOut };
  return { kind: 'failed', error: result.error };
}
