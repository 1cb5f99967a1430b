import { counted } from '../../core/counted.ts';
import type { Offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';

export interface Position extends TopicPartition {
  readonly offset: Offset;
}

/** Where the record is that a step waits for, and so whether the step can still come by itself. */
export type Whereabouts =
  /** Not in its topic: the capture has not published it, or will not. */
  | { readonly kind: 'unpublished' }
  /** In its topic, at or beyond what the group has committed: it waits for its turn, or the group does not work. */
  | { readonly kind: 'ahead'; readonly at: Position; /** False: there or later. */ readonly exact: boolean; readonly recordsBefore: bigint }
  /** It waits for its next attempt, or behind a record that does. */
  | ({ readonly kind: 'parked'; readonly at: Position } & Parked)
  /** The group gave it up. */
  | { readonly kind: 'dead-lettered'; readonly at: Position; readonly topic: string; readonly errorCode: string | undefined }
  /** The group has gone past it, and neither step nor dead letter is there: discarded, skipped by an offset that was set, or replayed and lost. */
  | { readonly kind: 'passed'; readonly at: Position }
  | { readonly kind: 'unknown'; readonly why: string };

interface Parked {
  readonly attempt: number;
  readonly dueAt: string;
  /** Its attempts are used up, and its lane waits for a person. */
  readonly blocked: boolean;
  readonly errorCode: string | undefined;
}

/** What was found out about a record, and in this order: a record goes on from one place to the next while it is looked for. */
export interface Findings {
  readonly at: Position;
  /** What the group had committed for the partition before everything else was asked; undefined: nothing yet. */
  readonly committed: Offset | undefined;
  readonly letter: { readonly topic: string; readonly errorCode: string | undefined } | undefined;
  readonly parked: Parked | undefined;
}

/** Pure. */
export function whereaboutsOf({ at, committed, letter, parked }: Findings): Whereabouts {
  // A replayed record has a letter and is parked: its group will handle it.
  if (parked !== undefined) {
    const { attempt, dueAt, blocked, errorCode } = parked;
    return { kind: 'parked', at, attempt, dueAt, blocked, errorCode };
  }
  if (committed === undefined || committed <= at.offset)
    return { kind: 'ahead', at, exact: true, recordsBefore: at.offset - (committed ?? 0n) };
  if (letter !== undefined) return { kind: 'dead-lettered', at, ...letter };
  return { kind: 'passed', at };
}

/**
 * Whether the step will not come by itself any more, so that a saga may decide in its place. Whatever is late because its
 * group, its broker or its capture is away will come.
 */
export function isGivenUp({ kind }: Whereabouts): boolean {
  return kind === 'dead-lettered' || kind === 'passed';
}

/** For people. */
export function whereaboutsText(where: Whereabouts): string {
  switch (where.kind) {
    case 'unpublished':
      return 'its event is not in its topic yet: look at the capture';
    case 'ahead':
      return where.exact
        ? `its record ${placeText(where.at)} is ${counted(where.recordsBefore, 'record')} ahead of its group`
        : `its record is at ${placeText(where.at)} or later, at least ${counted(where.recordsBefore, 'record')} ahead of its group`;
    case 'parked':
      return `its record ${placeText(where.at)} is parked after ${counted(where.attempt, 'attempt')}, ${where.blocked ? 'and waits for a person' : `due ${where.dueAt}`}${codeText(where.errorCode)}`;
    case 'dead-lettered':
      return `its record ${placeText(where.at)} is in ${where.topic}${codeText(where.errorCode)}`;
    case 'passed':
      return `its group has gone past ${placeText(where.at)} without a step and without a dead letter`;
    case 'unknown':
      return where.why;
  }
}

export function placeText({ topic, partition, offset }: Position): string {
  return `${topic}/${partition}@${offset}`;
}

function codeText(code: string | undefined): string {
  return code === undefined ? '' : ` (${code})`;
}
