import type { Clock } from '../../core/clock.ts';
import type { PayloadEncoder } from '../../core/codec.ts';
import type { DeadLetterDialect } from '../../core/dead-letter-dialect.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import type { HealthReport, HealthSource, Service } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import { formatLsn } from '../../core/lsn.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { Names } from '../../core/names.ts';
import type { BatchProducer } from '../../core/record-batch.ts';
import { aborted } from '../replication/aborted.ts';
import type { LogicalMessage, Relation } from '../replication/pgoutput.ts';
import type { CaptureSource } from '../replication/source.ts';
import type { SourceGuard, StreamSettings } from '../replication/replication-stream.ts';
import type { GapCode } from '../replication/source-findings.ts';
import { mayPass, needsPerson } from '../replication/source-findings.ts';
import type { SourceIdentity } from '../replication/source-identity.ts';
import type { PublishedRow } from '../replication/source-record.ts';
import { ReplicationStream, STREAM_DEFAULTS } from '../replication/replication-stream.ts';
import type { SlotFacts } from '../replication/slot.ts';
import { confirmedLagBytes, retainedBytes } from '../replication/slot.ts';
import type { StandbyStatus } from '../replication/standby-status.ts';
import type { SourceTransaction } from '../replication/stream-session.ts';
import type { StreamState } from '../replication/stream-state.ts';
import { STREAM_STATES } from '../replication/stream-state.ts';
import type { Failpoint } from './failpoint.ts';
import { readLogicalEvent, refuseLoneMessage } from './logical-event.ts';
import type { ReadEvent } from './outbox-row.ts';
import { outboxLayout } from './outbox-row.ts';
import type { PublisherSettings } from './publisher.ts';
import { Publisher } from './publisher.ts';

export interface RelaySettings extends StreamSettings, PublisherSettings {
  readonly lagIntervalMs: number;
  /** How often a relay that stands in a gap looks whether it was repaired. */
  readonly gapPollMs: number;
}

export const RELAY_DEFAULTS: RelaySettings = {
  ...STREAM_DEFAULTS,
  batchRowsMax: 10_000,
  batchBytesMax: 900_000,
  lingerMs: 0,
  retryMaxMs: 5_000,
  pooledBytesMax: 16 * 1024 * 1024,
  lagIntervalMs: 10_000,
  gapPollMs: 2_000,
};

export interface RelayOptions {
  readonly domain: string;
  /** The domain's own database. */
  readonly connection: { readonly url: string };
  readonly names: Names;
  /** What follows `events.` in the names of the topics that the pipeline declares. */
  readonly routes: ReadonlySet<string>;
  /** Started and stopped by its owner; one may serve several relays. */
  readonly producer: BatchProducer;
  readonly encoder: PayloadEncoder;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly settings?: Partial<RelaySettings>;
  /** Whose headers dead letters carry beside our own; none when left out. */
  readonly deadLetterDialects?: readonly DeadLetterDialect[];
  /** Knows whether the database, the slot and the topics are those that were captured before. Left out: nobody does. */
  readonly identity?: SourceIdentity;
  /** Called when the relay stands in a gap that no person has to judge; resolves when the gap is closed. */
  readonly repair?: (error: ClassifiedError, signal: AbortSignal) => Promise<void>;
  /** Slot or publication are missing, lost or changed while running: the relay stands still until somebody has looked. */
  readonly onGap?: (error: ClassifiedError) => void;
  /** Right before a status message is written. */
  readonly onStatus?: (status: StandbyStatus) => void;
  readonly failpoint?: Failpoint;
}

/** Slot, publication and table of a domain's capture, by the pipeline's names. */
export function captureSource(domain: string, url: string, names: Names): CaptureSource {
  return { url, slot: names.slot(domain), publication: { name: names.publication(domain), schema: domain, table: 'outbox' } };
}

/**
 * Publishes a domain's outbox. Every committed row reaches its topic, or the capture's dead-letter topic, at least once
 * and per key in commit order (first occurrences); PostgreSQL is told to forget a row only after Kafka acknowledged it. One
 * relay is active per slot, a second one waits. `start` rejects with CONFIGURATION_INVALID, and without an identity with
 * SLOT_MISSING, SLOT_LOST or PUBLICATION_MISSING; with one it stands in the gap and says so, until a repair has closed it.
 * Anything that may pass is waited for.
 */
export function createRelay(options: RelayOptions): Service & HealthSource {
  return new Relay(options);
}

/** An acknowledgement that Kafka owes for longer than this shows in health. */
const SLOW_SEND_MS = 3_000;

class Relay implements Service, HealthSource {
  readonly name: string;
  private readonly options: RelayOptions;
  private readonly settings: RelaySettings;
  private readonly stream: ReplicationStream;
  private readonly publisher: Publisher;
  private readonly lifetime = new AbortController();
  private readonly impatience = new AbortController();
  private readonly readers = new WeakMap<Relation, ReadEvent>();
  private watching: Promise<void> | undefined;
  private stopped: Promise<void> | undefined;
  private slot: SlotFacts | undefined;
  private foreignTableSeen = false;
  /** Of the present connection. */
  private lastPublished: PublishedRow | undefined;

  constructor(options: RelayOptions) {
    this.name = `relay.${options.domain}`;
    this.options = options;
    this.settings = { ...RELAY_DEFAULTS, ...options.settings };
    const { domain, names, routes, producer, encoder, metrics, logger, clock, failpoint } = options;
    const { settings } = this;
    const lifetime = this.lifetime.signal;
    this.publisher = new Publisher({
      ...{ domain, service: this.name, names, routes, producer, encoder, metrics, logger, clock, failpoint, settings, lifetime },
      deadLetterDialects: options.deadLetterDialects,
      onAstray: (error) => this.stream.startOver(error),
      ...(options.identity === undefined ? {} : { onPublished: (row: PublishedRow) => this.notePublished(row) }),
    });
    this.stream = new ReplicationStream({
      source: captureSource(domain, options.connection.url, names),
      settings,
      clock,
      logger: logger.child({ domain }),
      ...(options.identity === undefined ? {} : { guard: this.guardOf(options.identity) }),
      handlers: {
        onRow: (relation, bytes, start, end, transaction, heldBytes) => {
          const read = this.readers.get(relation) ?? this.readerOf(relation);
          if (read === IGNORE) transaction.session.acknowledge({ transactions: [transaction], counts: [1], heldBytes });
          else this.publisher.add(read, bytes, start, end, transaction, heldBytes);
        },
        onLogicalMessage: (message, transaction, heldBytes) => this.receiveMessage(message, transaction, heldBytes),
        onReadEnd: () => this.publisher.flush(),
        onReset: () => this.reset(),
        onState: (state) => this.showState(state),
        onStatus: (status) => options.onStatus?.(status),
        onGap: (error) => {
          metrics.gauge('millrace_capture_gap', { domain, code: error.code }, 1);
          options.onGap?.(error);
        },
        failpoint: failpoint === undefined ? undefined : (label) => void failpoint(label),
      },
    });
  }

  async start(signal: AbortSignal): Promise<void> {
    if (this.stopped !== undefined || this.watching !== undefined) return;
    this.watching = this.watchLag();
    // Beside the checks of the source, which need nothing of it.
    this.publisher.prepare();
    try {
      await this.stream.start(signal);
    } catch (thrown) {
      await this.stop(AbortSignal.abort());
      throw thrown;
    }
  }

  stop(hard: AbortSignal): Promise<void> {
    // A second call may be the impatient one.
    if (hard.aborted) this.impatience.abort();
    else hard.addEventListener('abort', () => this.impatience.abort(), { once: true });
    this.stopped ??= this.shutDown(this.impatience.signal);
    return this.stopped;
  }

  health(): HealthReport[] {
    const problem = this.problem();
    const facts = {
      state: this.stream.state,
      unacknowledgedBytes: this.stream.unacknowledgedBytes,
      undurableRows: this.stream.undurableEvents,
      flushLsn: formatLsn(this.stream.flushLsn),
      ...lagFacts(this.slot),
    };
    return [{ name: this.name, ...(problem ?? { status: 'ok' as const }), facts }];
  }

  private problem(): Pick<HealthReport, 'status' | 'detail'> | undefined {
    const sentence = (error: ClassifiedError): string => `${error.code}: ${error.message}. ${error.remedy}`;
    const error = this.stream.lastError;
    if (this.stream.state === 'gap' && error !== undefined) return { status: 'down', detail: sentence(error) };
    if (this.stream.state === 'stopped') return { status: 'down', detail: 'The relay is not started.' };
    if (this.stream.state !== 'streaming') {
      return { status: 'degraded', detail: error === undefined ? `The relay is ${this.stream.state}.` : sentence(error) };
    }
    if (error !== undefined) return { status: 'degraded', detail: sentence(error) };
    const { haltedBy } = this.publisher;
    if (haltedBy !== undefined) return { status: 'down', detail: sentence(haltedBy) };
    if (this.publisher.waitingFor !== undefined) return { status: 'degraded', detail: sentence(this.publisher.waitingFor) };
    const since = this.publisher.sendingSinceMs;
    if (since !== undefined && this.options.clock.monotonicMs() - since > SLOW_SEND_MS) {
      return { status: 'degraded', detail: 'Kafka has not acknowledged a batch for over 3 s.' };
    }
    return undefined;
  }

  private guardOf(identity: SourceIdentity): SourceGuard {
    const { repair, metrics, domain } = this.options;
    return {
      check: () => identity.check(),
      remember: (position) => identity.confirm(position, this.lastPublished),
      untilRepaired: async (error, signal) => {
        await this.untilNoted(identity, error.code, signal);
        if (repair !== undefined && !needsPerson(error.code)) await repair(error, signal);
        else await this.untilRepaired(identity, error.code, signal);
        metrics.gauge('millrace_capture_gap', { domain, code: error.code }, 0);
      },
    };
  }

  private async untilNoted(identity: SourceIdentity, code: GapCode, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const noted = await identity.noteGap(code).then(
        () => true,
        () => false, // Kafka is away: tried again
      );
      if (noted) return;
      await this.options.clock.sleep(this.settings.gapPollMs, signal).catch(() => undefined);
    }
  }

  /**
   * Somebody repairs from outside: a new epoch in the memory says when it is done. What was missing for a moment only (a topic
   * that a broker did not know yet) needs no repair: a whole look that finds nothing ends such a gap.
   */
  private async untilRepaired(identity: SourceIdentity, code: GapCode, signal: AbortSignal): Promise<void> {
    let known: number | undefined;
    while (!signal.aborted) {
      const epoch = await identity.rememberedEpoch().catch(() => undefined); // Kafka is away: asked again
      known ??= epoch;
      if (epoch !== undefined && epoch !== known) return;
      if (mayPass(code) && (await identity.isClean().catch(() => false))) return;
      await this.options.clock.sleep(this.settings.gapPollMs, signal).catch(() => undefined);
    }
  }

  /** What comes next may come from another server, whose positions do not compare with those of this one. */
  private reset(): void {
    this.publisher.reset();
    this.lastPublished = undefined;
  }

  /** Partitions are acknowledged in any order; the row of the latest commit is the one to look for. */
  private notePublished(row: PublishedRow): void {
    if (this.lastPublished === undefined || row.commitLsn > this.lastPublished.commitLsn) this.lastPublished = row;
  }

  /** Called for each definition of a table that the server sends. */
  private readerOf(relation: Relation): ReadEvent {
    const { domain, logger } = this.options;
    const isOutbox = relation.schema === domain && relation.name === 'outbox';
    const layout = outboxLayout(relation);
    const read: ReadEvent = isOutbox ? (row, bytes, start, end) => row.readTuple(layout, bytes, start, end) : IGNORE;
    this.readers.set(relation, read);
    if (!isOutbox && !this.foreignTableSeen) {
      // Somebody added a table to the publication: its rows are no events, and must not hold the slot either.
      this.foreignTableSeen = true;
      logger.warn({ table: `${relation.schema}.${relation.name}` }, 'the publication holds a table that is no outbox');
    }
    return read;
  }

  private receiveMessage({ content, transactional }: LogicalMessage, transaction: SourceTransaction, heldBytes: number): void {
    const read = transactional ? readLogicalEvent : refuseLoneMessage;
    this.publisher.add(read, content, 0, content.length, transaction, heldBytes);
  }

  private async shutDown(hard: AbortSignal): Promise<void> {
    const { failpoint } = this.options;
    this.stream.drain();
    await failpoint?.('stop-draining');
    await Promise.race([this.publisher.drained(), aborted(hard)]);
    this.lifetime.abort();
    await failpoint?.('stop-drained');
    await this.stream.stop(hard);
    this.publisher.reset();
    await this.watching;
  }

  private async watchLag(): Promise<void> {
    const { metrics, domain, logger, clock } = this.options;
    while (!this.lifetime.signal.aborted) {
      await this.sleep(this.settings.lagIntervalMs);
      if (isAborted(this.lifetime.signal)) return;
      try {
        this.slot = await this.stream.slotFacts();
        metrics.gauge('millrace_capture_unacknowledged_bytes', { domain }, this.stream.unacknowledgedBytes);
        const lag = this.slot === undefined ? undefined : confirmedLagBytes(this.slot);
        if (lag !== undefined) metrics.gauge('millrace_capture_confirmed_lag_bytes', { domain }, Number(lag));
      } catch (thrown) {
        this.slot = undefined;
        logger.debug({ domain, at: clock.nowMs() }, `the lag cannot be told: ${thrown instanceof Error ? thrown.message : 'unknown'}`);
      }
    }
  }

  private showState(state: StreamState): void {
    const { metrics, domain } = this.options;
    for (const each of STREAM_STATES) metrics.gauge('millrace_capture_state', { domain, state: each }, each === state ? 1 : 0);
  }

  /** Ends early at the end of the lifetime; the callers look at it themselves. */
  private async sleep(ms: number): Promise<void> {
    await this.options.clock.sleep(ms, this.lifetime.signal).catch(() => undefined);
  }
}

function lagFacts(slot: SlotFacts | undefined): Record<string, number> {
  if (slot === undefined) return {};
  const [confirmed, retained] = [confirmedLagBytes(slot), retainedBytes(slot)];
  return {
    ...(confirmed === undefined ? {} : { confirmedLagBytes: Number(confirmed) }),
    ...(retained === undefined ? {} : { retainedWalBytes: Number(retained) }),
  };
}

/** Of a table that is no outbox. */
const IGNORE: ReadEvent = () => undefined;

/** A function, because a signal changes while one waits. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
