import type { Clock } from '../../core/clock.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Lsn } from '../../core/lsn.ts';
import { LSN_ZERO, maxLsn } from '../../core/lsn.ts';
import type { LedgerTransaction } from './ack-ledger.ts';
import { AckLedger } from './ack-ledger.ts';
import type { PgoutputMessage, Relation } from './pgoutput.ts';
import { decodePgoutput } from './pgoutput.ts';
import type { LookAtPublication, RememberPosition } from './publication-vouch.ts';
import { PublicationVouch } from './publication-vouch.ts';
import type { StandbyStatus } from './standby-status.ts';
import type { OpenWalSender, WalSenderConnection, WalSenderTarget } from './walsender-connection.ts';

/** A committed transaction of the source, as known from its first message on. */
export interface SourceTransaction {
  /** Start of the commit record. */
  readonly commitLsn: Lsn;
  /** Microseconds since the epoch. */
  readonly commitTimeUs: bigint;
  readonly xid: number;
}

/** A committed row. Held until it is acknowledged; its columns are decoded when they are needed. */
export interface SourceRow {
  readonly relation: Relation;
  readonly tuple: Buffer;
  readonly transaction: SourceTransaction;
  readonly entry: LedgerTransaction;
  /** What the row counts against the limit of unacknowledged bytes. */
  readonly bytes: number;
  /** The connection over which it came: an acknowledgement counts only there. */
  readonly session: StreamSession;
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
}

/** None may throw. `onEnded` comes exactly once and is the last. */
export interface SessionHandlers {
  onStreaming(): void;
  onRow(row: SourceRow): void;
  /** A message that this decoder does not read was skipped. */
  onSkipped(kind: string): void;
  /** Right before a status message is written: the witness of the acknowledge rule. */
  onStatus(status: StandbyStatus): void;
  onEnded(error: unknown): void;
}

export interface SessionDependencies {
  readonly clock: Clock;
  readonly open: OpenWalSender;
  readonly look: LookAtPublication;
  /** Left out: a position may be told when the look allows it. */
  readonly remember?: RememberPosition;
}

/** Memory that a row takes beside its bytes. */
const ROW_OVERHEAD_BYTES = 200;

/** One connection: decoding, ledger, status messages, back-pressure and the watches over silence and publication. */
export class StreamSession {
  private readonly settings: SessionSettings;
  private readonly handlers: SessionHandlers;
  private readonly clock: Clock;
  private readonly ledger = new AckLedger();
  private readonly vouch: PublicationVouch;
  private readonly relations = new Map<number, Relation>();
  private readonly connection: WalSenderConnection;
  private readonly statusTimer: NodeJS.Timeout;
  private promptTimer: NodeJS.Timeout | undefined;
  private current: { readonly transaction: SourceTransaction; readonly entry: LedgerTransaction } | undefined;
  private receivedLsn: Lsn = LSN_ZERO;
  private reportedLsn: Lsn = LSN_ZERO;
  private unacknowledged = 0;
  private lastHeardMs: number;
  private paused = false;
  private reading = true;
  private over = false;

  constructor(target: WalSenderTarget, settings: SessionSettings, handlers: SessionHandlers, dependencies: SessionDependencies) {
    this.settings = settings;
    this.handlers = handlers;
    this.clock = dependencies.clock;
    this.lastHeardMs = this.clock.monotonicMs();
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
    this.statusTimer = setInterval(() => this.beat(), settings.statusIntervalMs);
    this.connection = dependencies.open(target, {
      onStarted: () => {
        this.lastHeardMs = this.clock.monotonicMs();
        handlers.onStreaming();
      },
      onMessage: (message) => this.onMessage(message),
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
  }

  /** The rows are durable in Kafka. Rows of an earlier connection are none of this one's business and change nothing. */
  acknowledge(rows: readonly SourceRow[]): void {
    let moved = false;
    for (const row of rows) {
      if (row.session !== this) continue;
      this.unacknowledged -= row.bytes;
      if (this.ledger.acknowledge(row.entry)) moved = true;
    }
    if (moved) this.onMoved();
    this.regulate();
  }

  /** Reads no more; what was read stays to be acknowledged, and status messages go on. */
  stopReading(): void {
    this.reading = false;
    this.regulate();
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
    this.connection.sendStatus(status, this.clock.nowMs());
    this.reportedLsn = flushLsn;
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

  get isPaused(): boolean {
    return this.paused;
  }

  private onMessage(bytes: Buffer): void {
    this.lastHeardMs = this.clock.monotonicMs();
    try {
      this.apply(decodePgoutput(bytes), bytes.length);
    } catch (thrown) {
      // Going on would lose what this message holds; a new connection sends it again.
      this.end(new ClassifiedError('POSTGRES_UNAVAILABLE', 'a message of the server could not be read', { cause: thrown }));
    }
  }

  private apply(message: PgoutputMessage, bytes: number): void {
    switch (message.kind) {
      case 'begin':
        this.current = { transaction: message, entry: this.ledger.begin() };
        return;
      case 'commit':
        this.current = undefined;
        this.receivedLsn = maxLsn(this.receivedLsn, message.endLsn);
        if (this.ledger.commit(message.endLsn)) this.onMoved();
        return;
      case 'relation':
        this.relations.set(message.oid, message);
        return;
      case 'insert':
        this.applyInsert(message.relationOid, message.tuple, bytes);
        return;
      case 'type':
      case 'origin':
        return;
      case 'truncate':
      case 'message':
        this.handlers.onSkipped(message.kind);
        return;
      case 'unknown':
        this.handlers.onSkipped(`tag ${message.tag}`);
    }
  }

  private applyInsert(relationOid: number, tuple: Buffer, messageBytes: number): void {
    const relation = this.relations.get(relationOid);
    if (relation === undefined || this.current === undefined) throw new RangeError('a row without its relation or transaction');
    const bytes = messageBytes + ROW_OVERHEAD_BYTES;
    this.unacknowledged += bytes;
    const entry = this.ledger.event();
    this.handlers.onRow({ relation, tuple, transaction: this.current.transaction, entry, bytes, session: this });
    this.regulate();
  }

  private onKeepalive(walEnd: Lsn, replyRequested: boolean): void {
    this.lastHeardMs = this.clock.monotonicMs();
    this.receivedLsn = maxLsn(this.receivedLsn, walEnd);
    if (this.ledger.keepalive(walEnd)) this.onMoved();
    if (replyRequested) this.sendStatus();
  }

  /** The regular status message: tells the position, proves that we live, and asks the server to prove that it does. */
  private beat(): void {
    const silentMs = this.clock.monotonicMs() - this.lastHeardMs;
    // Silence counts only while we listen: behind a closed tap nothing can be heard.
    if (!this.paused && silentMs > this.settings.silenceLimitMs) {
      this.end(new ClassifiedError('POSTGRES_UNAVAILABLE', `the server was silent for ${Math.round(silentMs)} ms`));
      return;
    }
    this.sendStatus(true);
    // On an idle database, too, a publication that is gone is found out.
    void this.vouch.lookNow();
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
    const pause = !this.reading || (this.paused ? this.unacknowledged > limit / 2 : this.unacknowledged > limit);
    if (pause === this.paused) return;
    this.paused = pause;
    if (pause) {
      this.connection.pause();
      return;
    }
    this.lastHeardMs = this.clock.monotonicMs();
    this.connection.resume();
  }

  private end(error: unknown): void {
    if (this.over) return;
    this.over = true;
    clearInterval(this.statusTimer);
    clearTimeout(this.promptTimer);
    this.vouch.stop();
    void this.connection.close();
    this.handlers.onEnded(error);
  }
}
