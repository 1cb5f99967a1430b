import type { Finding } from '../../replication/source-findings.ts';

export interface TopicCount {
  readonly topic: string;
  readonly rows: number;
}

/** Records of rows that the database does not have: they were published, and were lost with another server or in a restore. */
export interface PhantomRows extends TopicCount {
  /** Some of their event ids. */
  readonly examples: readonly string[];
}

/** A stretch of the write-ahead log, in the server's text form. */
export interface LogRange {
  /** Undefined: from the beginning. */
  readonly from: string | undefined;
  /** Undefined: up to where a new slot will begin. */
  readonly to: string | undefined;
}

/** What a repair found, and what it did or would do. */
export interface RepairReport {
  readonly domain: string;
  readonly slot: string;
  /** The gravest first; empty: nothing to repair. */
  readonly findings: readonly Finding[];
  /** A person has to say that this database is the one that is meant. */
  readonly needsConfirmation: boolean;
  /** The slot is made anew; otherwise the one that is there is read on. */
  readonly newSlot: boolean;
  /** No slot will bring this stretch any more: rows of it are in the outbox, what was emitted without a table is lost. */
  readonly unseenLog: LogRange | undefined;
  /** The dead-letter topic was deleted or made anew, with what was in it; letters of rows that the outbox has are written again. */
  readonly lettersLost: boolean;
  /** Rows of the outbox that should be in their topics. */
  readonly checkedRows: number;
  /** By the topic in which each was looked for. */
  readonly missing: readonly TopicCount[];
  /** Of the missing rows, those that can never be published: they became dead letters. Known once it was applied. */
  readonly deadLettered: number | undefined;
  readonly phantoms: readonly PhantomRows[];
  /** Rows that are older than their topic keeps records: not compared. */
  readonly beyondRetentionRows: number;
  /** The oldest row that the outbox still has; what was dropped before it can no longer be compared. */
  readonly oldestRow: string | undefined;
  readonly applied: boolean;
  readonly epoch: number | undefined;
}

/** One step, in words for a person. */
export type Progress = (step: string) => void;
