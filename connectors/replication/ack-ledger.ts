import type { Lsn } from '../../core/lsn.ts';
import { LSN_ZERO } from '../../core/lsn.ts';

/** One source transaction as the ledger keeps it: given by `begin`'s caller, and given back with each acknowledgement. Only the ledger writes it. */
export interface LedgerTransaction {
  /** The first WAL position behind the commit record; undefined until the commit was seen. */
  endLsn: Lsn | undefined;
  /** Events that were received and are not yet durable in Kafka. */
  undurable: number;
}

/**
 * Answers the one question on which everything rests: which position may the server forget?
 *
 * - It is the `end_lsn` of the last transaction of the longest prefix, in commit order, of which every event is durable.
 *   Exactly `end_lsn`, never one more: the server sends a transaction again if its commit record starts at or behind the
 *   confirmed position, and the next commit record may start right at this `end_lsn`.
 * - A keepalive's position may be forgotten only when nothing is in flight and the stream stands between transactions: a
 *   keepalive inside a transaction can already name that transaction's own commit.
 * - A transaction without events takes its place in the order like any other. It is never acknowledged ahead of an
 *   earlier one that is still in flight.
 * - A non-transactional message stands alone in the log, between transactions. The server names the **end** of its record
 *   (what `pg_logical_emit_message` returns), and sends it again if the record's start lies at or behind the confirmed position:
 *   so that end is what may be flushed, and not one byte more, as with a commit.
 *
 * Source of the restart rule: `SnapBuildXactNeedsSkip` in PostgreSQL's snapbuild.c.
 *
 * Pure. One ledger lives as long as one connection: a new connection is sent everything behind the confirmed position
 * again. Memory is proportional to the transactions that hold undurable events.
 */
export class AckLedger {
  private readonly queue: LedgerTransaction[] = [];
  private head = 0;
  private open: LedgerTransaction | undefined;
  private flushed: Lsn = LSN_ZERO;
  private lastEnd: Lsn = LSN_ZERO;
  private events = 0;

  /** @throws RangeError when a transaction is open: version 1 of the protocol sends them one after the other. */
  begin(transaction: LedgerTransaction): void {
    if (this.open !== undefined) throw new RangeError('a transaction began inside another one');
    this.open = transaction;
    this.queue.push(transaction);
  }

  /** An event of the open transaction was received. It may become durable before the commit is seen. */
  received(): void {
    if (this.open === undefined) throw new RangeError('an event came outside of a transaction');
    this.open.undurable += 1;
    this.events += 1;
  }

  /**
   * A non-transactional message was received: an event for itself.
   * @param messageLsn the end of its record, as the server names it.
   * @throws RangeError when a transaction is open, or when positions do not ascend.
   */
  receivedAlone(message: LedgerTransaction, messageLsn: Lsn): void {
    this.begin(message);
    this.received();
    this.commit(messageLsn);
  }

  /**
   * The open transaction is complete. Returns true when the position to flush moved (all its events, and all before them,
   * were durable already).
   * @throws RangeError when no transaction is open, or when commits do not ascend.
   */
  commit(endLsn: Lsn): boolean {
    const entry = this.open;
    if (entry === undefined) throw new RangeError('a commit came outside of a transaction');
    if (endLsn <= this.lastEnd) throw new RangeError(`commit end ${endLsn} came after ${this.lastEnd}: commits must ascend`);
    this.lastEnd = endLsn;
    this.open = undefined;
    if (entry.undurable === 0 && this.queue.length - this.head > 1) {
      // Nothing to wait for but its predecessor: that one ends here now, so that empty transactions take no memory.
      this.queue.pop();
      const predecessor = this.queue[this.queue.length - 1];
      if (predecessor !== undefined) predecessor.endLsn = endLsn;
      return false;
    }
    entry.endLsn = endLsn;
    return this.advance();
  }

  /**
   * Events of the transaction became durable: acknowledged by Kafka in their topic or in the dead-letter topic, in any
   * order across partitions. Returns true when the position to flush moved.
   * @throws RangeError when more are acknowledged than were received.
   */
  acknowledge(transaction: LedgerTransaction, events = 1): boolean {
    if (events > transaction.undurable) throw new RangeError('more events were acknowledged than received');
    transaction.undurable -= events;
    this.events -= events;
    return transaction.undurable === 0 && transaction.endLsn !== undefined && this.advance();
  }

  /** Returns true when the position to flush moved. */
  keepalive(walEnd: Lsn): boolean {
    if (this.transactionsInFlight > 0 || walEnd <= this.flushed) return false;
    this.flushed = walEnd;
    return true;
  }

  /** The position that may be reported as flushed; LSN_ZERO ("unchanged") until something is known. */
  get flushLsn(): Lsn {
    return this.flushed;
  }

  get undurableEvents(): number {
    return this.events;
  }

  /** The open one included. */
  get transactionsInFlight(): number {
    return this.queue.length - this.head;
  }

  private advance(): boolean {
    let moved = false;
    for (let next = this.queue[this.head]; next?.endLsn !== undefined && next.undurable === 0; next = this.queue[this.head]) {
      // Behind a keepalive the same position may already be flushed; the position never goes back.
      if (next.endLsn > this.flushed) this.flushed = next.endLsn;
      this.head += 1;
      moved = true;
    }
    this.compact();
    return moved;
  }

  private compact(): void {
    if (this.head === this.queue.length) this.queue.length = 0;
    else if (this.head >= 1024 && this.head * 2 >= this.queue.length) this.queue.splice(0, this.head);
    else return;
    this.head = 0;
  }
}
