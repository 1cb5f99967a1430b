import type { LogBatch, LogRecord } from './log-record.ts';

interface AbortedTransaction {
  readonly producerId: string;
  readonly firstOffset: bigint;
}

/** In the key of the record that ends a transaction: its version, then this. */
const ABORT = 0;

/**
 * Tells which batches of an answer are of transactions that were given up. kafkajs takes their list to be in the order of their
 * beginnings and begins one with each record; a broker lists them in the order of their ends, and several may have begun before
 * the first record that it sends. So kafkajs shows records of transactions that overlap.
 *
 * Source: `org.apache.kafka.clients.consumer.internals.CompletedFetch`.
 */
export class AbortedTransactions {
  /** The one that began last is the first. */
  private readonly ahead: AbortedTransaction[];
  private readonly begun = new Set<string>();

  constructor(transactions: readonly AbortedTransaction[]) {
    this.ahead = [...transactions].sort((a, b) => (a.firstOffset < b.firstOffset ? 1 : -1));
  }

  /** To be asked of one batch after the other, in the order of the log. */
  holds({ producerId, inTransaction, isControlBatch }: LogBatch, lastOffset: bigint, first: LogRecord | undefined): boolean {
    for (let next = this.ahead.at(-1); next !== undefined && next.firstOffset <= lastOffset; next = this.ahead.at(-1)) {
      this.begun.add(next.producerId);
      this.ahead.pop();
    }
    if (this.begun.size === 0) return false;
    if (!isControlBatch) return inTransaction && this.begun.has(producerId);
    const key = first?.key;
    if (key?.length === 4 && key.readInt16BE(2) === ABORT) this.begun.delete(producerId);
    return false;
  }
}
