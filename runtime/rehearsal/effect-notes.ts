import type { CallName } from '../../core/calls.ts';
import type { StateChange } from '../../core/define.ts';
import type { RehearsedDocument } from '../../projectors/rehearsed-document.ts';

/** An event that would be appended. Its id is another one when it really is. */
export interface RehearsedEvent {
  readonly id: string;
  readonly type: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly version: bigint;
  readonly payload: unknown;
}

/** What a handler did while it was rehearsed. */
export interface Effects {
  readonly events: readonly RehearsedEvent[];
  readonly changes: readonly StateChange[];
  readonly documents: readonly RehearsedDocument[];
}

/** Takes down what a rehearsal sees. */
export class EffectNotes implements Effects {
  readonly events: RehearsedEvent[] = [];
  readonly changes: StateChange[] = [];
  readonly documents: RehearsedDocument[] = [];
  /** A declared call that was not made. */
  callLeftOut: CallName | undefined;

  /** A transaction that is run again begins with a clean page. */
  clear(): void {
    this.events.length = 0;
    this.changes.length = 0;
    this.documents.length = 0;
  }
}
