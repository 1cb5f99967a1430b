import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Clock } from '../../core/clock.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { lsn } from '../../core/lsn.ts';
import type { StandbyStatus } from './standby-status.ts';
import type { LookAtPublication } from './publication-vouch.ts';
import type { SourceTransaction } from './stream-session.ts';
import { StreamSession } from './stream-session.ts';
import type { OpenWalSender, WalSenderHandlers } from './walsender-connection.ts';

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => Date.now(), sleep: async () => undefined };

interface SeenRow {
  readonly transaction: SourceTransaction;
  readonly heldBytes: number;
}

/** As lanes do it: rows are acknowledged in runs, here of one row each. */
function acknowledge(under: StreamSession, rows: readonly SeenRow[]): void {
  under.acknowledge({
    transactions: rows.map(({ transaction }) => transaction),
    counts: rows.map(() => 1),
    heldBytes: rows.reduce((sum, { heldBytes }) => sum + heldBytes, 0),
  });
}

/** A session over a wire that the test plays. */
function session(settings: { inFlightBytesMax?: number; look?: LookAtPublication } = {}) {
  let handlers!: WalSenderHandlers;
  const sent: StandbyStatus[] = [];
  const taps: string[] = [];
  const rows: SeenRow[] = [];
  const messages: { readonly content: string; readonly transaction: SourceTransaction }[] = [];
  const skipped: string[] = [];
  const ends: unknown[] = [];
  const open: OpenWalSender = (_target, theirs) => {
    handlers = theirs;
    return {
      sendStatus: (status) => sent.push(status),
      pause: () => taps.push('pause'),
      resume: () => taps.push('resume'),
      close: async () => undefined,
    };
  };
  const under = new StreamSession(
    { url: 'postgres://x', slot: 's', publication: 'p', connectTimeoutMs: 1, readBufferBytes: 1024 },
    {
      statusIntervalMs: 1000,
      statusDelayMs: 100,
      inFlightBytesMax: settings.inFlightBytesMax ?? 1_000_000,
      silenceLimitMs: 3000,
      publicationLookMs: 500,
      messagePrefix: 'ours',
    },
    {
      onStreaming: () => undefined,
      onRow: (_relation, _bytes, _start, _end, transaction, heldBytes) => rows.push({ transaction, heldBytes }),
      onLogicalMessage: ({ content }, transaction) => messages.push({ content: content.toString(), transaction }),
      onReadEnd: () => undefined,
      onSkipped: (kind) => skipped.push(kind),
      onStatus: () => undefined,
      onEnded: (error) => ends.push(error),
    },
    { clock, open, look: settings.look ?? (async () => true) },
  );
  const wire = {
    ...handlers,
    /** One read of the socket, behind bytes that are none of the message's. */
    onMessage: (message: Buffer) => {
      handlers.onWal(Buffer.concat([Buffer.from('xyz'), message, Buffer.from('next')]), 3, 3 + message.length);
      handlers.onReadEnd(1024, 0);
    },
  };
  return { under, wire, sent, taps, rows, messages, skipped, ends };
}

const begin = (commitLsn: bigint) => {
  const bytes = Buffer.alloc(21);
  bytes[0] = 0x42;
  bytes.writeBigUInt64BE(commitLsn, 1);
  return bytes;
};
const commit = (endLsn: bigint) => {
  const bytes = Buffer.alloc(26);
  bytes[0] = 0x43;
  bytes.writeBigUInt64BE(endLsn, 10);
  return bytes;
};
const relation = Buffer.from(`R\0\0\0\x01image\0outbox\0d\0\0`, 'latin1');
const insert = (bytes = 10) => Buffer.concat([Buffer.from('I\0\0\0\x01N', 'latin1'), Buffer.alloc(bytes)]);

const logical = (flags: number, at: bigint, prefix: string, content: string) => {
  const head = Buffer.alloc(10);
  head[0] = 0x4d;
  head[1] = flags;
  head.writeBigUInt64BE(at, 2);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([head, Buffer.from(`${prefix}\0`), length, Buffer.from(content)]);
};

describe('a stream session', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('stops reading above its limit of bytes and goes on below half of it', () => {
    const { under, wire, taps, rows } = session({ inFlightBytesMax: 5000 });
    wire.onMessage(relation);
    wire.onMessage(begin(100n));
    for (let index = 0; index < 5; index += 1) wire.onMessage(insert(1000));
    expect(taps).toEqual(['pause']);
    acknowledge(under, rows.slice(0, 2));
    expect(under.unacknowledgedBytes).toBeGreaterThan(2500);
    expect(taps).toEqual(['pause']);
    acknowledge(under, rows.slice(2, 4));
    expect(taps).toEqual(['pause', 'resume']);
  });

  it('sends status messages and answers requests at once while it reads nothing', () => {
    const { wire, sent, taps } = session({ inFlightBytesMax: 100 });
    wire.onMessage(relation);
    wire.onMessage(begin(100n));
    wire.onMessage(insert());
    expect(taps).toEqual(['pause']);
    vi.advanceTimersByTime(60_000);
    expect(sent).toHaveLength(60);
    expect(sent.every((status) => status.flushLsn === 0n && status.replyRequested)).toBe(true);
    wire.onKeepalive(lsn(90n), true);
    expect(sent).toHaveLength(61);
    expect(sent.at(-1)).toEqual({ receivedLsn: 90n, flushLsn: 0n, replyRequested: false });
  });

  it('tells a new position soon after it moved, once for many acknowledgements', async () => {
    const { under, wire, sent, rows } = session();
    wire.onMessage(relation);
    for (const end of [100n, 200n, 300n]) {
      wire.onMessage(begin(end - 10n));
      wire.onMessage(insert());
      wire.onMessage(commit(end));
    }
    acknowledge(under, rows.slice(0, 1));
    acknowledge(under, rows.slice(1, 2));
    expect(sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(100);
    expect(sent).toEqual([{ receivedLsn: 300n, flushLsn: 200n, replyRequested: false }]);
  });

  it('gives up a connection on which nothing comes, but not while it does not listen itself', () => {
    const silent = session();
    vi.advanceTimersByTime(3000);
    expect(silent.ends).toEqual([]);
    vi.advanceTimersByTime(1001);
    expect((silent.ends[0] as ClassifiedError).code).toBe('POSTGRES_UNAVAILABLE');

    const deaf = session({ inFlightBytesMax: 100 });
    deaf.wire.onMessage(relation);
    deaf.wire.onMessage(begin(100n));
    deaf.wire.onMessage(insert());
    vi.advanceTimersByTime(60_000);
    expect(deaf.ends).toEqual([]);
    acknowledge(deaf.under, deaf.rows);
    vi.advanceTimersByTime(3000);
    expect(deaf.ends).toEqual([]);
    vi.advanceTimersByTime(1001);
    expect(deaf.ends).toHaveLength(1);
  });

  it('does not count acknowledgements of rows that came over another connection', () => {
    const old = session();
    const { under, wire, rows, sent } = session();
    for (const each of [old.wire, wire]) {
      each.onMessage(relation);
      each.onMessage(begin(90n));
      each.onMessage(insert());
      each.onMessage(commit(100n));
    }
    acknowledge(under, old.rows);
    expect(under.undurableEvents).toBe(1);
    expect(under.unacknowledgedBytes).toBe(rows[0]!.heldBytes);
    vi.advanceTimersByTime(5000);
    expect(sent.every((status) => status.flushLsn === 0n)).toBe(true);
  });

  it('tells a position only after a look at the publication that began when the position was received', async () => {
    const looks: ((unchanged: boolean) => void)[] = [];
    const { under, wire, sent } = session({ look: () => new Promise((resolve) => looks.push(resolve)) });
    wire.onKeepalive(lsn(100n), false);
    await vi.advanceTimersByTimeAsync(0);
    expect(looks).toHaveLength(1);
    wire.onKeepalive(lsn(200n), true);
    expect(sent.at(-1)).toMatchObject({ receivedLsn: 200n, flushLsn: 0n });
    looks[0]!(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(under.flushLsn).toBe(100n);
    await vi.advanceTimersByTimeAsync(499);
    expect(looks).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    // A look that cannot tell vouches for nothing, and is taken again.
    looks[1]!(false);
    await vi.advanceTimersByTimeAsync(500);
    expect(under.flushLsn).toBe(100n);
    looks[2]!(true);
    await vi.advanceTimersByTimeAsync(100);
    expect(sent.at(-1)).toMatchObject({ flushLsn: 200n });
  });

  it('vouches for many transactions with one look, and for rows that become durable after it', async () => {
    let looks = 0;
    const { under, wire, rows } = session({ look: async () => (looks += 1) > 0 });
    wire.onMessage(relation);
    for (let end = 100n; end <= 5000n; end += 100n) {
      wire.onMessage(begin(end - 10n));
      wire.onMessage(insert());
      wire.onMessage(commit(end));
    }
    acknowledge(under, rows.slice(0, 1));
    await vi.advanceTimersByTimeAsync(0);
    for (const row of rows.slice(1)) acknowledge(under, [row]);
    expect([under.flushLsn, looks]).toEqual([5000n, 1]);
  });

  it('tells nothing more and ends when the publication was changed, or when the server says that it skips it', async () => {
    const changed = session({ look: () => Promise.reject(new ClassifiedError('PUBLICATION_MISSING', 'changed')) });
    const skipped = session();
    skipped.wire.onPublicationSkipped();
    for (const { under, wire, sent, ends } of [changed, skipped]) {
      wire.onKeepalive(lsn(100n), false);
      await under.settle();
      await vi.advanceTimersByTimeAsync(5000);
      under.sendStatus();
      expect(ends).toMatchObject([{ code: 'PUBLICATION_MISSING' }]);
      expect(sent).toEqual([]);
    }
  });

  it('looks at the publication of an idle database, and once more before it is stopped', async () => {
    let looks = 0;
    const { under, wire } = session({ look: async () => (looks += 1) > 0 });
    await vi.advanceTimersByTimeAsync(1000);
    expect(looks).toBe(1);
    wire.onKeepalive(lsn(100n), false);
    await under.settle();
    expect([under.flushLsn, looks]).toEqual([100n, 2]);
  });

  it('keeps the tap closed for one reason when another one is over', async () => {
    const { under, wire, taps, rows } = session({ inFlightBytesMax: 300_000 });
    wire.onMessage(relation);
    wire.onMessage(begin(100n));
    // So many rows in no time: a busy stream, which is read in larger pieces.
    for (let index = 0; taps.length === 0; index += 1) wire.onMessage(insert(100));
    expect(under.unacknowledgedBytes).toBeLessThan(300_000);
    while (under.unacknowledgedBytes <= 300_000) wire.onMessage(insert(1000));
    await vi.advanceTimersByTimeAsync(10);
    expect(taps).toEqual(['pause']);
    acknowledge(under, rows);
    expect(taps).toEqual(['pause', 'resume']);
  });

  it('hands over logical messages of its prefix, in their transaction or alone, and leaves others to others', async () => {
    const { under, wire, messages } = session();
    wire.onMessage(begin(90n));
    wire.onMessage(logical(1, 80n, 'ours', 'in'));
    wire.onMessage(logical(1, 85n, 'theirs', 'no'));
    wire.onMessage(commit(100n));
    wire.onMessage(logical(0, 120n, 'theirs', 'no'));
    wire.onMessage(logical(0, 150n, 'ours', 'alone'));
    expect(messages.map(({ content, transaction }) => [content, transaction.commitLsn])).toEqual([
      ['in', 90n],
      ['alone', 150n],
    ]);
    expect(under.undurableEvents).toBe(2);
    under.acknowledge({ transactions: messages.map(({ transaction }) => transaction), counts: [1, 1], heldBytes: 0 });
    await under.settle();
    expect(under.flushLsn).toBe(150n); // the look vouches for what was received, the message's own byte comes with the next position
    wire.onKeepalive(lsn(200n), false);
    await under.settle();
    expect(under.flushLsn).toBe(200n);
  });

  it('goes past messages that it does not know', () => {
    const { wire, skipped, ends } = session();
    wire.onMessage(Buffer.from('T\0\0\0\0\0', 'latin1'));
    wire.onMessage(Buffer.from('Zz'));
    expect(skipped).toEqual(['truncate', 'tag Z']);
    expect(ends).toEqual([]);
  });

  it('ends on a message that it cannot read, rather than losing what is in it', () => {
    const { wire, ends, rows } = session();
    wire.onMessage(begin(90n));
    wire.onMessage(insert());
    expect((ends[0] as ClassifiedError).code).toBe('POSTGRES_UNAVAILABLE');
    expect(rows).toEqual([]);
  });
});
