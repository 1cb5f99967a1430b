import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lsn } from '../../core/lsn.ts';
import { lsn } from '../../core/lsn.ts';
import type { LedgerTransaction } from './ack-ledger.ts';
import { AckLedger } from './ack-ledger.ts';

type Step =
  | { readonly do: 'begin'; readonly gap: number }
  | { readonly do: 'event' }
  | { readonly do: 'commit'; readonly recordBytes: number }
  | { readonly do: 'acknowledge'; readonly which: number }
  | { readonly do: 'message'; readonly gap: number }
  | { readonly do: 'keepalive'; readonly ahead: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    // A gap of 0 makes the commit record of this transaction start exactly where the last one ended.
    { weight: 3, arbitrary: fc.record({ do: fc.constant('begin' as const), gap: fc.constantFrom(0, 0, 1, 48, 4096) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('event' as const) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('commit' as const), recordBytes: fc.constantFrom(1, 34, 200) }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('acknowledge' as const), which: fc.nat(1000) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('message' as const), gap: fc.constantFrom(0, 0, 8, 500) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('keepalive' as const), ahead: fc.constantFrom(0, 0, 1, 24, 10_000) }) },
  ),
  { maxLength: 120, size: 'max' },
);

interface ModelTransaction {
  readonly commitStart: Lsn;
  end: Lsn | undefined;
  readonly events: { durable: boolean }[];
  readonly handle: LedgerTransaction;
}

const fresh = (): LedgerTransaction => ({ endLsn: undefined, undurable: 0 });

/** A naive server and relay: everything is remembered, and every answer is computed from all of it. */
class Model {
  readonly transactions: ModelTransaction[] = [];
  readonly ledger = new AckLedger();
  wal: Lsn = lsn(1000n);
  /** The highest position that a keepalive told while nothing was in flight. */
  idle: Lsn = lsn(0n);

  get open(): ModelTransaction | undefined {
    const last = this.transactions.at(-1);
    return last?.end === undefined ? last : undefined;
  }

  isDurable(transaction: ModelTransaction): boolean {
    return transaction.end !== undefined && transaction.events.every((event) => event.durable);
  }

  /** What the rule says, by looking at everything. */
  expectedFlush(): Lsn {
    let flush = this.idle;
    for (const transaction of this.transactions) {
      if (!this.isDurable(transaction) || transaction.end === undefined) break;
      if (transaction.end > flush) flush = transaction.end;
    }
    return flush;
  }

  apply(step: Step): void {
    switch (step.do) {
      case 'begin':
        if (this.open !== undefined) return;
        this.wal = lsn(this.wal + BigInt(step.gap));
        this.transactions.push({ commitStart: this.wal, end: undefined, events: [], handle: fresh() });
        this.ledger.begin(this.transactions.at(-1)!.handle);
        return;
      case 'event':
        if (this.open === undefined) return;
        this.open.events.push({ durable: false });
        this.ledger.received();
        return;
      case 'message': {
        // Non-transactional: alone between transactions, named by its end, sent again by its start. A commit may start at its end.
        if (this.open !== undefined) return;
        const start = lsn(this.wal + BigInt(step.gap));
        this.wal = lsn(start + 64n);
        const handle = fresh();
        this.transactions.push({ commitStart: start, end: this.wal, events: [{ durable: false }], handle });
        this.ledger.receivedAlone(handle, this.wal);
        return;
      }
      case 'commit': {
        const open = this.open;
        if (open === undefined) return;
        open.end = lsn(open.commitStart + BigInt(step.recordBytes));
        this.wal = open.end;
        this.ledger.commit(open.end);
        return;
      }
      case 'acknowledge': {
        const waiting = this.transactions.flatMap((transaction) =>
          transaction.events.filter((event) => !event.durable).map((event) => ({ transaction, event })),
        );
        const chosen = waiting[step.which % Math.max(1, waiting.length)];
        if (chosen === undefined) return;
        chosen.event.durable = true;
        this.ledger.acknowledge(chosen.transaction.handle);
        return;
      }
      case 'keepalive': {
        // Inside a transaction the server may name that transaction's own commit, or what lies behind it.
        const inside = this.open !== undefined;
        const walEnd = lsn(this.wal + BigInt(step.ahead));
        if (!inside) this.wal = walEnd;
        if (!inside && this.transactions.every((transaction) => this.isDurable(transaction))) this.idle = walEnd;
        this.ledger.keepalive(walEnd);
      }
    }
  }

  /** PostgreSQL sends a transaction again when its commit record starts at or behind the confirmed position. */
  sentAgainAfterRestart(): readonly ModelTransaction[] {
    return this.transactions.filter((transaction) => transaction.commitStart >= this.ledger.flushLsn);
  }
}

describe('the ack ledger', () => {
  it('flushes the end of the longest durable prefix, after any sequence of steps', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const model = new Model();
        for (const step of sequence) {
          model.apply(step);
          expect(model.ledger.flushLsn).toBe(model.expectedFlush());
        }
      }),
      { numRuns: 500 },
    );
  });

  it('never lets the server forget a transaction with an event that is not durable, whenever the relay dies', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const model = new Model();
        for (const step of sequence) {
          model.apply(step);
          const again = new Set(model.sentAgainAfterRestart());
          for (const transaction of model.transactions) {
            if (!model.isDurable(transaction)) expect(again.has(transaction)).toBe(true);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('never goes back and says truly whether it moved', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const model = new Model();
        let before = model.ledger.flushLsn;
        for (const step of sequence) {
          model.apply(step);
          expect(model.ledger.flushLsn >= before).toBe(true);
          before = model.ledger.flushLsn;
        }
      }),
    );
  });

  it('lets go of everything once all is durable and a keepalive came', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const model = new Model();
        for (const step of sequence) model.apply(step);
        if (model.open !== undefined) model.apply({ do: 'commit', recordBytes: 34 });
        for (let index = 0; model.ledger.undurableEvents > 0; index += 1) model.apply({ do: 'acknowledge', which: index });
        expect(model.ledger.transactionsInFlight).toBe(0);
        const walEnd = lsn(model.wal + 500n);
        model.ledger.keepalive(walEnd);
        expect(model.ledger.flushLsn).toBe(walEnd);
      }),
    );
  });
});
