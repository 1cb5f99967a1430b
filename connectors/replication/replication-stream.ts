import type { Clock } from '../../core/clock.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Lsn } from '../../core/lsn.ts';
import { LSN_ZERO, formatLsn } from '../../core/lsn.ts';
import { reconnectDelayMs } from '../../core/retry-policy.ts';
import { aborted } from './aborted.ts';
import type { SourceCheck } from './capture-source.ts';
import type { CaptureSource } from './source.ts';
import { OUTBOX_MESSAGE_PREFIX } from './source.ts';
import { checkCaptureSource } from './capture-source.ts';
import type { GapError } from './source-findings.ts';
import { isGap } from './source-findings.ts';
import { CANNOT_CONNECT_NOW, NOT_READY, UNDEFINED_OBJECT, classifyPostgresError, sqlState } from './postgres-errors.ts';
import { PublicationWatch } from './publication-watch.ts';
import type { SlotFacts } from './slot.ts';
import { readSlot } from './slot.ts';
import { slotShows, untilSlotSeemsFree } from './slot-waits.ts';
import { withSqlSession } from './sql-session.ts';
import type { StandbyStatus } from './standby-status.ts';
import type { SessionDependencies, SessionHandlers, SessionSettings } from './stream-session.ts';
import { StreamSession } from './stream-session.ts';
import type { StreamEvent, StreamState } from './stream-state.ts';
import { nextStreamState } from './stream-state.ts';
import type { OpenWalSender } from './walsender-connection.ts';
import { openWalSender } from './walsender-connection.ts';

export interface StreamSettings extends Omit<SessionSettings, 'silenceLimitMs'> {
  readonly connectTimeoutMs: number;
  /** How often a standby looks whether the slot became free. */
  readonly standbyPollMs: number;
  readonly reconnectMaxMs: number;
  /** How long `stop` waits for the server to show the last position as confirmed. */
  readonly confirmTimeoutMs: number;
}

export const STREAM_DEFAULTS: StreamSettings = {
  statusIntervalMs: 10_000,
  statusDelayMs: 100,
  inFlightBytesMax: 16 * 1024 * 1024,
  connectTimeoutMs: 10_000,
  standbyPollMs: 500,
  reconnectMaxMs: 10_000,
  confirmTimeoutMs: 5_000,
  publicationLookMs: 1_000,
  messagePrefix: OUTBOX_MESSAGE_PREFIX,
};

/** What a walsender sends while its reader looks away fits; with 64 KiB, the usual size, catching up is a third slower. */
const READ_BUFFER_BYTES_MAX = 1024 * 1024;

/**
 * None may throw. Rows and messages come in commit order; each is acknowledged exactly once by its receiver, to the session of
 * its transaction, or forgotten at a reset.
 */
export interface StreamHandlers extends Pick<SessionHandlers, 'onRow' | 'onLogicalMessage' | 'onReadEnd' | 'failpoint'> {
  /** The connection is over: events that are not acknowledged will come again and must be forgotten. */
  onReset(): void;
  onState(state: StreamState): void;
  onStatus?(status: StandbyStatus): void;
  /** The stream is in `gap`: somebody has to look. Comes at most once. */
  onGap?(error: ClassifiedError): void;
}

export interface StreamOptions {
  readonly source: CaptureSource;
  readonly settings: StreamSettings;
  readonly handlers: StreamHandlers;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly open?: OpenWalSender;
  /** Left out: only slot and publication themselves are checked, and a gap is never left. */
  readonly guard?: SourceGuard;
}

/** Knows whether the source is the one that was captured before. */
export interface SourceGuard {
  /** Before each connection. @throws ClassifiedError with the code of a gap; or of an outage, which is waited out. */
  check(): Promise<void>;
  /** Before a position is told. @throws the same; an outage keeps the position untold. */
  remember(position: Lsn): Promise<boolean>;
  /** Resolves when the gap may be closed; rejects never, and ends with the signal. */
  untilRepaired(error: GapError, signal: AbortSignal): Promise<void>;
}

/**
 * The committed inserts of one slot, over as many connections as it takes. At least once and in commit order: after each
 * reset everything that the server did not hear acknowledged comes again.
 */
export class ReplicationStream {
  private readonly options: StreamOptions;
  private readonly stopping = new AbortController();
  private current: StreamState = 'stopped';
  private session: StreamSession | undefined;
  private failures = 0;
  /** One after the other, without a connection that worked in between. */
  private gaps = 0;
  private error: ClassifiedError | undefined;
  private running: Promise<void> | undefined;
  private lastFlush: Lsn = LSN_ZERO;
  /** A new one after a repair, which may have changed the publication. */
  private watch: PublicationWatch;

  constructor(options: StreamOptions) {
    this.options = options;
    this.watch = new PublicationWatch(options.source, (error) => this.onLook(error));
  }

  /**
   * Resolves when the first check is done: streaming, waiting as a standby, trying again because PostgreSQL is away, or, with
   * a guard, standing in a gap.
   * @throws ClassifiedError CONFIGURATION_INVALID; without a guard also SLOT_MISSING, SLOT_LOST, PUBLICATION_MISSING.
   */
  async start(signal: AbortSignal): Promise<void> {
    if (this.isStopping() || this.running !== undefined) return;
    this.move('start');
    let settle: (error: ClassifiedError | undefined) => void = () => undefined;
    const first = new Promise<ClassifiedError | undefined>((resolve) => (settle = resolve));
    const onAbort = (): void => settle(undefined);
    signal.addEventListener('abort', onAbort, { once: true });
    this.running = this.run(settle);
    const error = signal.aborted ? undefined : await first;
    signal.removeEventListener('abort', onAbort);
    if (signal.aborted || error !== undefined) {
      await this.stop(AbortSignal.abort());
      throw error ?? signal.reason;
    }
  }

  /** Reads no more, and does not come back when the connection is lost. What was read can still be acknowledged. */
  drain(): void {
    if (this.isStopping()) return;
    if (this.current !== 'stopped') this.move('drain');
    this.stopping.abort();
    this.session?.stopReading();
  }

  /** Ends the connection, if there is one, and opens another: what is not acknowledged comes again, after a reset. */
  startOver(error: ClassifiedError): void {
    this.session?.giveUp(error);
  }

  /**
   * Tells the server the last position, waits until the slot shows it (not when `hard` is aborted), and closes. Acknowledge
   * what is to count before.
   */
  async stop(hard: AbortSignal): Promise<void> {
    this.drain();
    const session = this.session;
    if (session !== undefined) {
      await Promise.race([session.settle(), aborted(hard)]);
      this.options.handlers.failpoint?.('stop-final-status');
      session.sendStatus();
      if (this.session === session && session.flushLsn !== LSN_ZERO) await Promise.race([this.confirm(session, hard), aborted(hard)]);
      this.options.handlers.failpoint?.('stop-confirmed');
      await session.close();
    }
    // A check that is under way ends by its own timeout; a hard stop does not wait for it.
    if (this.running !== undefined) await Promise.race([this.running, aborted(hard)]);
    await Promise.race([this.watch.close(), aborted(hard)]);
    if (this.current !== 'stopped') this.move('stop');
  }

  /** @throws ClassifiedError POSTGRES_UNAVAILABLE */
  async slotFacts(): Promise<SlotFacts | undefined> {
    return withSqlSession(this.options.source.url, (sql) => readSlot(sql, this.options.source.slot));
  }

  get state(): StreamState {
    return this.current;
  }

  /** Why it does not stream; while it does, why positions cannot be told, if so. */
  get lastError(): ClassifiedError | undefined {
    return this.error;
  }

  get unacknowledgedBytes(): number {
    return this.session?.unacknowledgedBytes ?? 0;
  }

  get undurableEvents(): number {
    return this.session?.undurableEvents ?? 0;
  }

  /** The last position that was free to be told; LSN_ZERO when none was yet. */
  get flushLsn(): Lsn {
    return this.session?.flushLsn ?? this.lastFlush;
  }

  private async run(settle: (error: ClassifiedError | undefined) => void): Promise<void> {
    while (!this.isStopping()) {
      const beganMs = this.options.clock.monotonicMs();
      const error = await this.connectOnce(() => settle(undefined));
      if (this.isStopping()) {
        if (isGap(error)) this.report(error); // the next start may not see what was seen here
        break;
      }
      this.error = error;
      // A connection that worked for a while starts the delays anew; one that fails at once again does not.
      const worked = this.options.clock.monotonicMs() - beganMs > 5_000;
      this.failures = worked ? 1 : this.failures + 1;
      if (error.code === 'CONFIGURATION_INVALID') settle(error);
      if (isGap(error)) {
        this.gaps = worked ? 1 : this.gaps + 1;
        this.report(error);
        this.move('gap-found');
        settle(this.options.guard === undefined ? error : undefined);
        this.options.handlers.onGap?.(error);
        await this.watch.close();
        await this.options.guard?.untilRepaired(error, this.stopping.signal);
        if (this.options.guard === undefined || this.isStopping()) return;
        // A repair that did not help is not tried again at once.
        if (this.gaps > 1) await this.pauseBeforeRetry(error, this.gaps);
        if (this.isStopping()) return;
        this.watch = new PublicationWatch(this.options.source, (failure) => this.onLook(failure));
        this.failures = 0;
        this.move('repaired');
        continue;
      }
      this.move(error.code === 'SLOT_IN_USE' ? 'slot-in-use' : 'connection-lost');
      this.report(error);
      settle(undefined);
      if (error.code !== 'SLOT_IN_USE') await this.pauseBeforeRetry(error);
      else await untilSlotSeemsFree(this.options.source, () => this.pauseBeforeRetry(error), this.stopping.signal);
      if (!this.isStopping()) this.move('retry');
    }
    settle(undefined);
  }

  /** Checks, streams until the connection ends, and says why it ended. */
  private async connectOnce(onStreaming: () => void): Promise<ClassifiedError> {
    this.options.handlers.failpoint?.('stream-checking');
    try {
      const check = await this.look();
      if (check.slotActive) return new ClassifiedError('SLOT_IN_USE', `the slot ${this.options.source.slot} is in use`);
      await this.options.guard?.check();
      if (this.isStopping()) return new ClassifiedError('POSTGRES_UNAVAILABLE', 'stopped');
      const thrown = await this.stream(this.sessionSettings(check.walSenderTimeoutMs), onStreaming);
      return await this.classify(thrown);
    } catch (thrown) {
      return classifyPostgresError(thrown, 'the check of slot and publication');
    }
  }

  private async look(): Promise<SourceCheck> {
    try {
      const check = await checkCaptureSource(this.options.source);
      this.watch.assertUnchanged(check.publication);
      return check;
    } catch (thrown) {
      // What is missing may be missing because the whole database is another one: that is the graver word.
      if (thrown instanceof ClassifiedError && isGap(thrown)) await this.options.guard?.check();
      throw thrown;
    }
  }

  private memory(): Pick<SessionDependencies, 'remember'> {
    const { guard } = this.options;
    return guard === undefined ? {} : { remember: (position) => this.remember(guard, position) };
  }

  /** An outage of the memory keeps the position where it is, as one of the looks at the publication does. */
  private async remember(guard: SourceGuard, position: Lsn): Promise<boolean> {
    try {
      this.options.handlers.failpoint?.('memory-writing');
      const remembered = await guard.remember(position);
      this.options.handlers.failpoint?.('memory-written');
      return remembered;
    } catch (thrown) {
      const error = classifyPostgresError(thrown, 'the memory of the source');
      if (isGap(error)) throw error;
      this.onLook(error);
      return false;
    }
  }

  private async stream(settings: SessionSettings, onStreaming: () => void): Promise<unknown> {
    const { source, handlers, clock, logger } = this.options;
    const target = {
      url: source.url,
      slot: source.slot,
      publication: source.publication.name,
      connectTimeoutMs: this.options.settings.connectTimeoutMs,
      // One read may go beyond the limit of what is held, but not by much.
      readBufferBytes: Math.min(READ_BUFFER_BYTES_MAX, Math.ceil(this.options.settings.inFlightBytesMax / 8)),
    };
    const ended = new Promise<unknown>((resolve) => {
      this.session = new StreamSession(
        target,
        settings,
        {
          onStreaming: () => {
            if (this.current === 'draining') return;
            this.move('streaming');
            this.error = undefined;
            logger.info({ slot: source.slot }, 'streaming from the slot');
            onStreaming();
          },
          onRow: handlers.onRow,
          onLogicalMessage: handlers.onLogicalMessage,
          onReadEnd: handlers.onReadEnd,
          failpoint: handlers.failpoint,
          onSkipped: (kind) => logger.warn({ slot: source.slot, kind }, 'a message of the slot that is not an insert was skipped'),
          onStatus: (status) => handlers.onStatus?.(status),
          onEnded: resolve,
        },
        { clock, open: this.options.open ?? openWalSender, look: () => this.watch.look(), ...this.memory() },
      );
    });
    const thrown = await ended;
    this.lastFlush = this.session?.flushLsn ?? this.lastFlush;
    this.session = undefined;
    handlers.onReset();
    return thrown;
  }

  private sessionSettings(walSenderTimeoutMs: number): SessionSettings {
    const { statusIntervalMs, statusDelayMs, inFlightBytesMax, publicationLookMs, messagePrefix } = this.options.settings;
    const interval = walSenderTimeoutMs > 0 ? Math.min(statusIntervalMs, Math.floor(walSenderTimeoutMs / 3)) : statusIntervalMs;
    return { statusIntervalMs: interval, statusDelayMs, inFlightBytesMax, publicationLookMs, messagePrefix, silenceLimitMs: 3 * interval };
  }

  private onLook(error: ClassifiedError | undefined): void {
    const { logger, source } = this.options;
    // The position stays where it is; the next look may tell more.
    if (error !== undefined && this.error === undefined) {
      logger.warn({ slot: source.slot, 'error.code': error.code }, 'no position is told to the server', error);
    }
    if (this.current === 'streaming') this.error = error;
    // A server that takes no session and still streams is shutting down, and waits until its walsenders have been told their
    // end. No position can be vouched for any more, so that it would wait for ever: the stream lets go, and comes again.
    if (error !== undefined && sqlState(error.cause) === CANNOT_CONNECT_NOW) this.session?.giveUp(error);
  }

  /** SQLSTATE 42704 says that slot or publication is missing; which one, the server has to be asked. */
  private async classify(thrown: unknown): Promise<ClassifiedError> {
    if (thrown instanceof ClassifiedError && thrown.code === 'PUBLICATION_MISSING') return this.nameMissingPublication(thrown);
    if (sqlState(thrown) === NOT_READY) await checkCaptureSource(this.options.source); // throws when the slot is lost
    if (sqlState(thrown) !== UNDEFINED_OBJECT) return classifyPostgresError(thrown, 'the replication stream');
    await checkCaptureSource(this.options.source);
    // Both are there: the publication is younger than the slot, which will not see it.
    return new ClassifiedError('PUBLICATION_YOUNGER', 'the slot is older than its publication', { cause: thrown });
  }

  /** The server did not find the publication at a point of its log. When it is there now, it is the younger one. */
  private async nameMissingPublication(seen: ClassifiedError): Promise<ClassifiedError> {
    try {
      await checkCaptureSource(this.options.source);
      return new ClassifiedError('PUBLICATION_YOUNGER', 'the slot is older than its publication', { cause: seen });
    } catch {
      return seen; // whatever it is now: at that point it was missing
    }
  }

  private async pauseBeforeRetry(error: ClassifiedError, failures = this.failures): Promise<void> {
    const { clock, settings } = this.options;
    const random = Math.random();
    if (error.code === 'SLOT_IN_USE') this.options.handlers.failpoint?.('standby-waiting');
    const delayMs =
      error.code === 'SLOT_IN_USE'
        ? settings.standbyPollMs * (0.75 + random / 2)
        : reconnectDelayMs(failures, random, 100, settings.reconnectMaxMs);
    await clock.sleep(delayMs, this.stopping.signal).catch(() => undefined); // the loop looks at the signal itself
  }

  private async confirm(session: StreamSession, hard: AbortSignal): Promise<void> {
    const { clock, settings, logger, source } = this.options;
    const told = { target: session.flushLsn, tellAgain: () => session.sendStatus(), withinMs: settings.confirmTimeoutMs };
    try {
      if ((await slotShows(source, told, clock, hard)) || hard.aborted) return;
      logger.warn({ slot: source.slot, lsn: formatLsn(told.target) }, 'stopped before the server confirmed the last position');
    } catch (thrown) {
      // Nothing is lost by it: what is not confirmed is sent again.
      if (!hard.aborted) logger.warn({ slot: source.slot }, 'the last position could not be confirmed', thrown);
    }
  }

  private isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  private report(error: ClassifiedError): void {
    const { logger, source } = this.options;
    const fields = { slot: source.slot, 'error.code': error.code, failures: this.failures };
    if (isGap(error)) logger.error(fields, `${error.message}. ${error.remedy}`, error);
    else if (error.code !== 'SLOT_IN_USE') logger.warn(fields, `the stream ended: ${error.message}`, error);
    else if (this.failures === 1) logger.info(fields, 'another relay holds the slot; waiting as a standby');
  }

  private move(event: StreamEvent): void {
    const next = nextStreamState(this.current, event);
    if (next === this.current) return;
    this.current = next;
    this.options.handlers.onState(next);
  }
}
