import { describe, expect, it } from 'vitest';
import { LSN_ZERO, lsn } from '../../core/lsn.ts';
import type { LedgerTransaction } from './ack-ledger.ts';
import { AckLedger } from './ack-ledger.ts';

const fresh = (): LedgerTransaction => ({ endLsn: undefined, undurable: 0 });

function begun(ledger: AckLedger): LedgerTransaction {
  const transaction = fresh();
  ledger.begin(transaction);
  return transaction;
}

describe('the ack ledger', () => {
  it('says "unchanged" until something is durable', () => {
    const ledger = new AckLedger();
    begun(ledger);
    ledger.received();
    ledger.commit(lsn(100n));
    expect(ledger.flushLsn).toBe(LSN_ZERO);
  });

  it('flushes exactly the end of the first of two adjacent commits, not a byte more', () => {
    const ledger = new AckLedger();
    const first = begun(ledger);
    ledger.received();
    ledger.commit(lsn(100n));
    begun(ledger);
    ledger.received();
    ledger.commit(lsn(148n));
    expect(ledger.acknowledge(first)).toBe(true);
    expect(ledger.flushLsn).toBe(100n);
  });

  it('holds a later durable transaction behind an earlier one', () => {
    const ledger = new AckLedger();
    const first = begun(ledger);
    ledger.received();
    ledger.commit(lsn(100n));
    const second = begun(ledger);
    ledger.received();
    ledger.commit(lsn(200n));
    expect(ledger.acknowledge(second)).toBe(false);
    expect(ledger.acknowledge(first)).toBe(true);
    expect(ledger.flushLsn).toBe(200n);
  });

  it('waits for the commit when the events were durable before it', () => {
    const ledger = new AckLedger();
    const transaction = begun(ledger);
    ledger.received();
    expect(ledger.acknowledge(transaction)).toBe(false);
    expect(ledger.flushLsn).toBe(LSN_ZERO);
    expect(ledger.commit(lsn(100n))).toBe(true);
    expect(ledger.flushLsn).toBe(100n);
  });

  it('ignores a keepalive that comes inside a transaction, though all its events are durable', () => {
    const ledger = new AckLedger();
    const transaction = begun(ledger);
    ledger.received();
    ledger.acknowledge(transaction);
    expect(ledger.keepalive(lsn(500n))).toBe(false);
    expect(ledger.flushLsn).toBe(LSN_ZERO);
  });

  it('ignores a keepalive while an event is in flight and takes it when nothing is', () => {
    const ledger = new AckLedger();
    const transaction = begun(ledger);
    ledger.received();
    ledger.commit(lsn(100n));
    expect(ledger.keepalive(lsn(500n))).toBe(false);
    ledger.acknowledge(transaction);
    expect(ledger.keepalive(lsn(500n))).toBe(true);
    expect(ledger.keepalive(lsn(400n))).toBe(false);
    expect(ledger.flushLsn).toBe(500n);
  });

  it('makes empty transactions wait for the ones before them, without keeping them', () => {
    const ledger = new AckLedger();
    const first = begun(ledger);
    ledger.received();
    ledger.commit(lsn(100n));
    for (let end = 200n; end <= 100_000n; end += 100n) {
      begun(ledger);
      expect(ledger.commit(lsn(end))).toBe(false);
    }
    expect(ledger.transactionsInFlight).toBe(1);
    expect(ledger.flushLsn).toBe(LSN_ZERO);
    ledger.acknowledge(first);
    expect(ledger.flushLsn).toBe(100_000n);
  });

  it('flushes the end of a message that stands alone, which is its position, and not one byte more', () => {
    const ledger = new AckLedger();
    const message = fresh();
    ledger.receivedAlone(message, lsn(100n));
    expect(ledger.keepalive(lsn(500n))).toBe(false);
    expect(ledger.acknowledge(message)).toBe(true);
    expect(ledger.flushLsn).toBe(100n);
  });

  it('makes a message that stands alone wait for the transaction before it, and that one not for the message', () => {
    const ledger = new AckLedger();
    const first = begun(ledger);
    ledger.received();
    ledger.commit(lsn(100n));
    const message = fresh();
    ledger.receivedAlone(message, lsn(164n));
    expect(ledger.acknowledge(message)).toBe(false);
    expect(ledger.acknowledge(first)).toBe(true);
    expect(ledger.flushLsn).toBe(164n);
    begun(ledger);
    expect(() => ledger.receivedAlone(fresh(), lsn(200n))).toThrow(RangeError);
  });

  it('refuses what the protocol cannot send', () => {
    const ledger = new AckLedger();
    expect(() => ledger.received()).toThrow(RangeError);
    expect(() => ledger.commit(lsn(1n))).toThrow(RangeError);
    const transaction = begun(ledger);
    expect(() => ledger.begin(fresh())).toThrow(RangeError);
    ledger.received();
    expect(() => ledger.acknowledge(transaction, 2)).toThrow(RangeError);
    ledger.commit(lsn(100n));
    begun(ledger);
    expect(() => ledger.commit(lsn(100n))).toThrow(RangeError);
  });

  it('keeps its place over many transactions', () => {
    const ledger = new AckLedger();
    for (let index = 1n; index <= 10_000n; index += 1n) {
      const transaction = begun(ledger);
      ledger.received();
      ledger.received();
      ledger.commit(lsn(index * 100n));
      ledger.acknowledge(transaction, 2);
      expect(ledger.flushLsn).toBe(index * 100n);
    }
    expect(ledger.transactionsInFlight).toBe(0);
    expect(ledger.undurableEvents).toBe(0);
  });
});
