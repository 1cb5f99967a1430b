import { describe, expect, it } from 'vitest';
import { LSN_ZERO, lsn } from '../../core/lsn.ts';
import { AckLedger } from './ack-ledger.ts';

describe('the ack ledger', () => {
  it('says "unchanged" until something is durable', () => {
    const ledger = new AckLedger();
    ledger.begin();
    ledger.event();
    ledger.commit(lsn(100n));
    expect(ledger.flushLsn).toBe(LSN_ZERO);
  });

  it('flushes exactly the end of the first of two adjacent commits, not a byte more', () => {
    const ledger = new AckLedger();
    const first = ledger.begin();
    ledger.event();
    ledger.commit(lsn(100n));
    ledger.begin();
    ledger.event();
    ledger.commit(lsn(148n));
    expect(ledger.acknowledge(first)).toBe(true);
    expect(ledger.flushLsn).toBe(100n);
  });

  it('holds a later durable transaction behind an earlier one', () => {
    const ledger = new AckLedger();
    const first = ledger.begin();
    ledger.event();
    ledger.commit(lsn(100n));
    const second = ledger.begin();
    ledger.event();
    ledger.commit(lsn(200n));
    expect(ledger.acknowledge(second)).toBe(false);
    expect(ledger.acknowledge(first)).toBe(true);
    expect(ledger.flushLsn).toBe(200n);
  });

  it('waits for the commit when the events were durable before it', () => {
    const ledger = new AckLedger();
    const transaction = ledger.begin();
    ledger.event();
    expect(ledger.acknowledge(transaction)).toBe(false);
    expect(ledger.flushLsn).toBe(LSN_ZERO);
    expect(ledger.commit(lsn(100n))).toBe(true);
    expect(ledger.flushLsn).toBe(100n);
  });

  it('ignores a keepalive that comes inside a transaction, though all its events are durable', () => {
    const ledger = new AckLedger();
    const transaction = ledger.begin();
    ledger.event();
    ledger.acknowledge(transaction);
    expect(ledger.keepalive(lsn(500n))).toBe(false);
    expect(ledger.flushLsn).toBe(LSN_ZERO);
  });

  it('ignores a keepalive while an event is in flight and takes it when nothing is', () => {
    const ledger = new AckLedger();
    const transaction = ledger.begin();
    ledger.event();
    ledger.commit(lsn(100n));
    expect(ledger.keepalive(lsn(500n))).toBe(false);
    ledger.acknowledge(transaction);
    expect(ledger.keepalive(lsn(500n))).toBe(true);
    expect(ledger.keepalive(lsn(400n))).toBe(false);
    expect(ledger.flushLsn).toBe(500n);
  });

  it('makes empty transactions wait for the ones before them, without keeping them', () => {
    const ledger = new AckLedger();
    const first = ledger.begin();
    ledger.event();
    ledger.commit(lsn(100n));
    for (let end = 200n; end <= 100_000n; end += 100n) {
      ledger.begin();
      expect(ledger.commit(lsn(end))).toBe(false);
    }
    expect(ledger.transactionsInFlight).toBe(1);
    expect(ledger.flushLsn).toBe(LSN_ZERO);
    ledger.acknowledge(first);
    expect(ledger.flushLsn).toBe(100_000n);
  });

  it('refuses what the protocol cannot send', () => {
    const ledger = new AckLedger();
    expect(() => ledger.event()).toThrow(RangeError);
    expect(() => ledger.commit(lsn(1n))).toThrow(RangeError);
    const transaction = ledger.begin();
    expect(() => ledger.begin()).toThrow(RangeError);
    ledger.event();
    expect(() => ledger.acknowledge(transaction, 2)).toThrow(RangeError);
    ledger.commit(lsn(100n));
    ledger.begin();
    expect(() => ledger.commit(lsn(100n))).toThrow(RangeError);
  });

  it('keeps its place over many transactions', () => {
    const ledger = new AckLedger();
    for (let index = 1n; index <= 10_000n; index += 1n) {
      const transaction = ledger.begin();
      ledger.event();
      ledger.event();
      ledger.commit(lsn(index * 100n));
      ledger.acknowledge(transaction, 2);
      expect(ledger.flushLsn).toBe(index * 100n);
    }
    expect(ledger.transactionsInFlight).toBe(0);
    expect(ledger.undurableEvents).toBe(0);
  });
});
