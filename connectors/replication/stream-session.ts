import type { Clock } from '../../core/clock.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Lsn } from '../../core/lsn.ts';
import { LSN_ZERO, maxLsn } from '../../core/lsn.ts';
import type { LedgerTransaction } from './ack-ledger.ts';
import { AckLedger } from './ack-ledger.ts';
import type { StreamFailpoint } from './failpoint.ts';
import { isForeignMessage } from './foreign-message.ts';
import type { LogicalMessage, PgoutputMessage, Relation } from './pgoutput.ts';
import { POSTGRES_EPOCH_US, decodePgoutput } from './pgoutput.ts';
import type { LookAtPublication, RememberPosition } from './publication-vouch.ts';
import { PublicationVouch } from './publication-vouch.ts';
import { ReadPace } from './read-pace.ts';
import type { StandbyStatus } from './standby-status.ts';
import { Tap } from './tap.ts';
import type { OpenWalSender, WalSenderConnection, WalSenderTarget } from './walsender-connection.ts';

/** A committed transaction of the source, as known from its first message on; or a message that stands alone. */
export interface SourceTransaction extends LedgerTransaction {
  /** Start of the commit record. */
  readonly commitLsn: Lsn;
  /** Microseconds since the epoch; exact until the year 2255. */
  readonly commitTimeUs: number;
  /** The connection over which it came: an acknowledgement counts only there. */
  readonly session: StreamSession;
}

/** Events by transaction, in the order in which they came: so many of the first, then so many of the next. */
export interface EventRuns {
  readonly transactions: readonly SourceTransaction[];
  readonly counts: readonly number[];
  /** What these events were counted with when they were handed over. */
  readonly heldBytes: number;
}

export interface SessionSettings {
  /** Between two status messages at most. Not above a third of the server's `wal_sender_timeout`. */
  readonly statusIntervalMs: number;
  /** From a move of the ledger to the status message that tells it, at most. */
  readonly statusDelayMs: number;
  /** Reading stops above this many unacknowledged bytes and goes on below half of it. */
  readonly inFlightBytesMax: number;
  /** A connection on which nothing came for so long, though an answer was asked for, is dead. */
  readonly silenceLimitMs: number;
  /** Between two looks at the publication at least, while positions move. */
  readonly publicationLookMs: number;
  /** Logical messages with this prefix are events; others are somebody else's. */
  readonly messagePrefix: string;
}

/** None may throw. `onEnded` comes exactly once and is the last. */
export interface SessionHandlers {
  onStreaming(): void;
  /**
   * A committed row: its tuple is `bytes[start, end)` and overwritten as soon as the call returns.
   * @param heldBytes what it counts against the limit of unacknowledged bytes, to be given back with its acknowledgement.
   */
  onRow(relation: Relation, bytes: Buffer, start: number, end: number, transaction: SourceTransaction, heldBytes: number): void;
  /** A logical message of the settings' prefix. Not transactional: it was written even if its transaction failed. */
  onLogicalMessage(message: LogicalMessage, transaction: SourceTransaction, heldBytes: number): void;
  /** Everything that came with one read of the socket was handed over. */
  onReadEnd(): void;
  /** A message that this decoder does not read was skipped. */
  onSkipped(kind: string): void;
  /** Right before a status message is written: the witness of the acknowledge rule. */
  onStatus(status: StandbyStatus): void;
  onEnded(error: unknown): void;
  readonly failpoint?: ((label: StreamFailpoint) => void) | undefined;
}

export interface SessionDependencies {
  readonly clock: Clock;
  readonly open: OpenWalSender;
  readonly look: LookAtPublication;
  /** Left out: a position may be told when the look allows it. */
  readonly remember?: RememberPosition;
}

/** Memory that an event takes beside the bytes of its row: the names of its headers, its place in batch and ledger. */
const EVENT_OVERHEAD_BYTES = 200;
/** Tags of pgoutput: begin, insert, commit. */
const [BEGIN, INSERT, COMMIT] = [0x42, 0x49, 0x43];
const NEW_TUPLE = 0x4e;

/** One connection: decoding, ledger, status messages, back-pressure and the watches over silence and publication. */
export class StreamSession {
  private readonly settings: SessionSettings;
  private readonly handlers: SessionHandlers;
  private readonly clock: Clock;
  private readonly ledger = new AckLedger();
  private readonly vouch: PublicationVouch;
  private readonly relations = new Map<number, Relation>();
  private readonly connection: WalSenderConnection;
  private readonly statusTimer: NodeJS.Timeout | undefined;
  private promptTimer: NodeJS.Timeout | undefined;
  private readonly tap: Tap<'back-pressure' | 'coalescing' | 'draining'>;
  private readonly pace: ReadPace;
  private coalescing: NodeJS.Timeout | undefined;
  private current: SourceTransaction | undefined;
  private receivedLsn: Lsn = LSN_ZERO;
  private reportedLsn: Lsn = LSN_ZERO;
  private unacknowledged = 0;
  private lastHeardMs: number;
  private over = false;

  constructor(target: WalSenderTarget, settings: SessionSettings, handlers: SessionHandlers, dependencies: SessionDependencies) {
    this.settings = settings;
    this.handlers = handlers;
    this.clock = dependencies.clock;
    this.lastHeardMs = this.clock.monotonicMs();
    this.pace = new ReadPace(target.readBufferBytes, this.lastHeardMs);
    this.tap = new Tap((open) => {
      if (open) this.connection.resume();
      else this.connection.pause();
    });
    this.vouch = new PublicationVouch({
      look: dependencies.look,
      ...(dependencies.remember === undefined ? {} : { remember: dependencies.remember }),
      intervalMs: settings.publicationLookMs,
      clock: this.clock,
      received: () => this.receivedLsn,
      wanted: () => this.ledger.flushLsn,
      onVouched: () => this.promptStatus(),
      onChanged: (error) => this.end(error),
    });
    this.connection = dependencies.open(target, {
      onStarted: () => {
        this.lastHeardMs = this.clock.monotonicMs();
        handlers.onStreaming();
      },
      onWal: (bytes, start, end) => this.onWal(bytes, start, end),
      isUnwanted: (bytes, start, end) => isForeignMessage(bytes, start, end, this.settings.messagePrefix),
      onReadEnd: (readBytes, sentAtUs) => this.onReadEnd(readBytes, sentAtUs),
      onKeepalive: (walEnd, replyRequested) => this.onKeepalive(walEnd, replyRequested),
      onPublicationSkipped: () =>
        this.end(
          new ClassifiedError(
            'PUBLICATION_MISSING',
            `the server skips rows because it does not find the publication ${target.publication}`,
          ),
        ),
      onClosed: (error) => this.end(error),
    });
    // Behind everything that may throw: nobody could clear it.
    if (!this.over) this.statusTimer = setInterval(() => this.beat(), settings.statusIntervalMs);
  }

  /** The events are durable in Kafka. Those of another connection are none of this one's business and change nothing. */
  acknowledge({ transactions, counts, heldBytes }: EventRuns): void {
    let moved = false;
    for (const [index, transaction] of transactions.entries()) {
      if (transaction.session !== this) return;
      if (this.ledger.acknowledge(transaction, counts[index])) moved = true;
    }
    this.unacknowledged -= heldBytes;
    if (moved) this.onMoved();
    this.regulate();
  }

  /** Reads no more; what was read stays to be acknowledged, and status messages go on. */
  stopReading(): void {
    if (!this.over) this.tap.close('draining');
  }

  /** Looks at the publication once more, so that all that is acknowledged can be told. */
  settle(): Promise<void> {
    return this.vouch.settle();
  }

  /** Tells the server the present position at once. */
  sendStatus(replyRequested = false): void {
    if (this.over) return;
    clearTimeout(this.promptTimer);
    this.promptTimer = undefined;
    const { flushLsn } = this;
    const status: StandbyStatus = { receivedLsn: maxLsn(this.receivedLsn, flushLsn), flushLsn, replyRequested };
    this.handlers.onStatus(status);
    this.handlers.failpoint?.('status-flushing');
    this.connection.sendStatus(status, this.clock.nowMs());
    this.handlers.failpoint?.('status-written');
    this.reportedLsn = flushLsn;
  }

  /** Ends the connection for a reason of the receiver's. */
  giveUp(error: ClassifiedError): void {
    this.end(error);
  }

  async close(): Promise<void> {
    this.end(undefined);
    await this.connection.close();
  }

  get unacknowledgedBytes(): number {
    return this.unacknowledged;
  }

  get undurableEvents(): number {
    return this.ledger.undurableEvents;
  }

  /** The position that may be told: durable in Kafka, and vouched for. */
  get flushLsn(): Lsn {
    const durable = this.ledger.flushLsn;
    return durable < this.vouch.lsn ? durable : this.vouch.lsn;
  }

  private onWal(bytes: Buffer, start: number, end: number): void {
    if (this.over) return;
    try {
      this.apply(bytes, start, end);
    } catch (thrown) {
      // Going on would lose what this message holds; a new connection sends it again.
      this.end(new ClassifiedError('POSTGRES_UNAVAILABLE', 'a message of the server could not be read', { cause: thrown }));
    }
  }

  /** The three messages of every transaction are read where they lie; the rare ones by the decoder, from a copy. */
  private apply(bytes: Buffer, start: number, end: number): void {
    switch (bytes[start]) {
      case INSERT:
        this.applyInsert(bytes, start, end);
        return;
      case BEGIN:
        if (end - start < 21) throw new RangeError('a begin that is cut off');
        this.begin(bytes.readBigUInt64BE(start + 1) as Lsn, readTimeUs(bytes, start + 9));
        return;
      case COMMIT:
        if (end - start < 26) throw new RangeError('a commit that is cut off');
        this.commit(bytes.readBigUInt64BE(start + 10) as Lsn);
        return;
      default:
        if (isForeignMessage(bytes, start, end, this.settings.messagePrefix)) return;
        this.applyRare(decodePgoutput(Buffer.from(bytes.subarray(start, end))), end - start);
    }
  }

  private begin(commitLsn: Lsn, commitTimeUs: number): void {
    this.current = { commitLsn, commitTimeUs, session: this, endLsn: undefined, undurable: 0 };
    this.pace.transaction(commitTimeUs);
    this.ledger.begin(this.current);
  }

  private commit(endLsn: Lsn): void {
    this.current = undefined;
    if (endLsn > this.receivedLsn) this.receivedLsn = endLsn;
    if (this.ledger.commit(endLsn)) this.onMoved();
  }

  private applyInsert(bytes: Buffer, start: number, end: number): void {
    if (end - start < 6 || bytes[start + 5] !== NEW_TUPLE) throw new RangeError('an insert without a new tuple');
    const relation = this.relations.get(bytes.readUInt32BE(start + 1));
    if (relation === undefined || this.current === undefined) throw new RangeError('a row without its relation or transaction');
    this.ledger.received();
    this.pace.row();
    this.handlers.onRow(relation, bytes, start + 6, end, this.current, this.hold(end - start));
  }

  private applyRare(message: PgoutputMessage, bytes: number): void {
    switch (message.kind) {
      case 'relation':
        this.relations.set(message.oid, message);
        return;
      case 'message':
        this.applyLogicalMessage(message, bytes);
        return;
      case 'begin':
      case 'insert':
      case 'commit':
      case 'type':
      case 'origin':
        return;
      case 'truncate':
        this.handlers.onSkipped(message.kind);
        return;
      case 'unknown':
        this.handlers.onSkipped(`tag ${message.tag}`);
    }
  }

  private applyLogicalMessage(message: LogicalMessage, bytes: number): void {
    let transaction = this.current;
    if (message.transactional) {
      if (transaction === undefined) throw new RangeError('a transactional message outside of a transaction');
      this.ledger.received();
    } else {
      // It has no commit; the time at which it is read is the nearest that can be told.
      const commitTimeUs = this.clock.nowMs() * 1000;
      transaction = { commitLsn: message.lsn, commitTimeUs, session: this, endLsn: undefined, undurable: 0 };
      this.ledger.receivedAlone(transaction, message.lsn);
      this.receivedLsn = maxLsn(this.receivedLsn, message.lsn);
    }
    this.pace.row();
    this.handlers.onLogicalMessage(message, transaction, this.hold(bytes));
  }

  private hold(messageBytes: number): number {
    const heldBytes = messageBytes + EVENT_OVERHEAD_BYTES;
    this.unacknowledged += heldBytes;
    return heldBytes;
  }

  /** @param sentAtUs when the server sent the last message, on its own clock; microseconds since the epoch. */
  private onReadEnd(readBytes: number, sentAtUs: number): void {
    if (this.over) return;
    const nowMs = this.clock.monotonicMs();
    this.lastHeardMs = nowMs;
    this.handlers.onReadEnd();
    this.regulate();
    const waitMs = this.pace.pauseAfterRead(readBytes, sentAtUs, nowMs);
    if (waitMs === 0 || this.coalescing !== undefined) return;
    this.tap.close('coalescing');
    this.coalescing = setTimeout(() => {
      this.coalescing = undefined;
      this.openTap('coalescing');
    }, waitMs);
  }

  private onKeepalive(walEnd: Lsn, replyRequested: boolean): void {
    this.lastHeardMs = this.clock.monotonicMs();
    this.receivedLsn = maxLsn(this.receivedLsn, walEnd);
    this.handlers.failpoint?.('keepalive');
    if (this.ledger.keepalive(walEnd)) this.onMoved();
    if (replyRequested) this.sendStatus();
  }

  /** The regular status message: tells the position, proves that we live, and asks the server to prove that it does. */
  private beat(): void {
    if (this.isSilent) {
      // We may have been deaf ourselves: what came while other work held the thread is heard first.
      setImmediate(() => this.endIfSilent());
      return;
    }
    this.sendStatus(true);
    // On an idle database, too, a publication that is gone is found out.
    void this.vouch.lookNow();
  }

  private endIfSilent(): void {
    if (this.over) return;
    if (!this.isSilent) this.sendStatus(true);
    else this.end(new ClassifiedError('POSTGRES_UNAVAILABLE', `the server was silent for over ${this.settings.silenceLimitMs} ms`));
  }

  /** Silence counts only while we listen: behind a closed tap nothing can be heard. */
  private get isSilent(): boolean {
    return this.isListening && this.clock.monotonicMs() - this.lastHeardMs > this.settings.silenceLimitMs;
  }

  /** The ledger moved. */
  private onMoved(): void {
    this.promptStatus();
    this.vouch.prompt();
  }

  private promptStatus(): void {
    if (this.over || this.promptTimer !== undefined || this.flushLsn === this.reportedLsn) return;
    this.promptTimer = setTimeout(() => {
      this.promptTimer = undefined;
      this.sendStatus();
    }, this.settings.statusDelayMs);
  }

  private regulate(): void {
    if (this.over) return;
    const limit = this.settings.inFlightBytesMax;
    const closed = this.tap.isClosedFor('back-pressure');
    const tooMuch = closed ? this.unacknowledged > limit / 2 : this.unacknowledged > limit;
    if (tooMuch === closed) return;
    if (tooMuch) this.tap.close('back-pressure');
    else this.openTap('back-pressure');
  }

  private openTap(reason: 'back-pressure' | 'coalescing'): void {
    if (this.over) return;
    if (!this.isListening) this.lastHeardMs = this.clock.monotonicMs();
    this.tap.open(reason);
  }

  /** The pauses of coalescing are no deafness. */
  private get isListening(): boolean {
    return !this.tap.isClosedFor('back-pressure') && !this.tap.isClosedFor('draining');
  }

  private end(error: unknown): void {
    if (this.over) return;
    this.over = true;
    clearInterval(this.statusTimer);
    clearTimeout(this.promptTimer);
    clearTimeout(this.coalescing);
    this.vouch.stop();
    void this.connection.close();
    this.handlers.onEnded(error);
  }
}

/** Microseconds since the epoch, from PostgreSQL's, which count from 2000. A number holds them exactly; a bigint would cost more. */
function readTimeUs(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4) + Number(POSTGRES_EPOCH_US);
}
