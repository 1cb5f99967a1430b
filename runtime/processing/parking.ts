import type { Clock } from '../../core/clock.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { ParkedError, ParkedRecord, ParkedRecords, RecordToPark, Settlement } from '../../core/parked-records.ts';
import type { TopicPartition } from '../../core/record.ts';
import { recordBytes } from '../../core/record.ts';
import { DurableWrites } from './durable-writes.ts';
import type { Failpoint } from './failpoint.ts';
import type { Lane } from './parked-lanes.ts';
import { ParkedLanes } from './parked-lanes.ts';
import type { PartitionEpoch } from './partition-epoch.ts';
import type { RecordInHand } from './record-in-hand.ts';
import type { StoreWork } from './store-state.ts';
import { StoreState } from './store-state.ts';
import { storeWithFailpoints } from './store-with-failpoints.ts';

type Epoch = PartitionEpoch<RecordInHand>;

/** Of the parked records of one group that is due in memory; all others are in the store alone. */
const MEMORY = { recordsMax: 5_000, bytesMax: 16 * 1_048_576 };

/** What becomes of a key when one of its records was given up: it goes on, or it waits for a person. */
export type GiveUpPolicy = 'continue' | 'block';

interface ParkingOptions {
  readonly store: ParkedRecords;
  readonly policy: GiveUpPolicy;
  /** Lanes whose parked records are handled at the same time. */
  readonly activeMax: number;
  /** Keys that may wait at the same time in this process. */
  readonly lanesMax: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly failpoint: Failpoint;
  /** A parked record's turn has come. */
  readonly handOver: (parked: ParkedRecord, epoch: Epoch) => void;
  /** What happened to the record is durable: it may leave. */
  readonly onSettled: (item: RecordInHand, outcome: Outcome) => void;
  /** The store can never keep it: it cannot wait, and is to be given up. */
  readonly onRefused: (item: RecordInHand, error: ClassifiedError) => void;
}

/** A write on its way. */
interface Pending<W> {
  readonly item: RecordInHand;
  readonly lane: Lane;
  readonly what: W;
  /** The door behind it; undefined when the record has left already. */
  readonly outcome: Outcome | undefined;
  /** When the lane is to be looked at, once this is durable. */
  readonly dueAtMs: number;
  /** A rebalance waits for it; not while the store is away. */
  awaited: boolean;
}

/**
 * Where the records of a group wait for their next attempt, in the order of their lanes: what comes behind a parked record is
 * parked behind it, unhandled, and other lanes do not notice. What waits is durable before its record leaves; here is only what
 * must be known to keep the order. Its owner is the member that has the partition: everything is read from the store when a
 * partition comes and forgotten when it goes.
 *
 * Nothing here throws. While the store is away its records wait, in hand and in order, and nothing is used up. What the store
 * refuses for itself is given up, and holds up nobody.
 */
export class Parking {
  private readonly options: ParkingOptions;
  private readonly store: ParkedRecords;
  private readonly lanes: ParkedLanes;
  private readonly parks: DurableWrites<Pending<RecordToPark>>;
  private readonly settlements: DurableWrites<Pending<Settlement>>;
  private readonly owned = new Map<string, Epoch>();
  private readonly arriving = new Set<Epoch>();
  /** Refused ones, with their lanes, until their letters are durable. */
  private readonly refusals = new Map<RecordInHand, Lane>();
  private readonly stopped = new AbortController();
  private readonly state: StoreState;
  private loading = false;

  constructor(options: ParkingOptions) {
    this.options = options;
    this.store = storeWithFailpoints(options.store, options.failpoint);
    this.state = new StoreState({ ...options, signal: this.stopped.signal });
    this.lanes = new ParkedLanes({
      clock: options.clock,
      activeMax: options.activeMax,
      memory: MEMORY,
      read: (lanes, page) => this.ask((partitions) => this.store.read(lanes, partitions, page)),
      epochOf: (partition) => this.epochOf(partition),
      handOver: options.handOver,
    });
    this.parks = this.writes(
      'park',
      ({ what }) => recordBytes(what.record),
      (entries) => this.store.park(entries.map(({ what }) => what)),
    );
    this.settlements = this.writes(
      'settle',
      () => 0,
      (entries) => this.store.settle(entries.map(({ what }) => what)),
    );
  }

  /** Why the store is not of use at the moment. */
  get waitsFor(): ClassifiedError | undefined {
    return this.state.waitsFor;
  }

  /** Keys that wait. */
  get heldLanes(): number {
    return this.lanes.size;
  }

  /** Those among them that wait for a person. */
  get blockedLanes(): number {
    return this.lanes.blocked;
  }

  /** Set when records of the lane are parked: the next one must be parked behind them, unhandled. */
  heldFor(lane: string): ClassifiedError | undefined {
    return this.lanes.find(lane)?.error;
  }

  /** False when so many keys wait that no other one may: what they share is broken, or there is no room to tell. */
  hasRoomFor(lane: string): boolean {
    return this.lanes.size < this.options.lanesMax || this.lanes.find(lane) !== undefined;
  }

  /** Nothing of the partition is handled before its `admission` resolves, when it is known what waits for it. */
  admit(epoch: Epoch): void {
    this.arriving.add(epoch);
    if (!this.loading) void this.load();
  }

  dismiss(epoch: Epoch): void {
    this.arriving.delete(epoch);
    if (this.owned.get(nameOf(epoch)) === epoch) this.owned.delete(nameOf(epoch));
    this.lanes.dismiss(epoch);
    epoch.admit();
  }

  /** The record waits for its next attempt, or behind others of its lane; it leaves as `retried` once that is durable. */
  park(item: RecordInHand, error: ClassifiedError, attempts: number, delayMs: number): void {
    const outcome: Outcome = { door: 'retried', error, attempt: attempts };
    const dueAtMs = this.options.clock.monotonicMs() + delayMs;
    const { parked } = item;
    if (parked === undefined) {
      this.append(item, { error, attempts, delayMs, blocked: false }, outcome, dueAtMs);
      return;
    }
    const firstFailedAtMs = item.firstFailedAtMs ?? this.options.clock.nowMs();
    this.settle(item, { kind: 'again', parked, attempts, delayMs, firstFailedAtMs, error: brief(error) }, outcome, dueAtMs);
  }

  /**
   * The record's dead letter is durable. True when more must be so before it leaves (as `deadLettered`, by itself): that its key
   * is blocked, or that it waits no more.
   */
  giveUp(item: RecordInHand, error: ClassifiedError): boolean {
    this.endRefusal(item);
    const outcome: Outcome = { door: 'deadLettered', error };
    const now = this.options.clock.monotonicMs();
    // What cannot even be read as an event is no part of any order; and only what can be kept can hold up its key.
    const canBlock = !(item.envelope instanceof ClassifiedError) && error.code !== 'PARKING_REFUSED';
    const blocks = this.options.policy === 'block' && canBlock;
    const { parked, attempt: attempts } = item;
    if (parked !== undefined) {
      const how: Settlement = blocks ? { kind: 'blocked', parked, attempts, error: brief(error) } : { kind: 'buried', parked };
      this.settle(item, how, outcome, now);
      return true;
    }
    if (blocks) this.append(item, { error, attempts, delayMs: 0, blocked: true }, outcome, now);
    return blocks;
  }

  /** A parked record was handled and has left: what waits behind it is next. */
  finished(item: RecordInHand): void {
    const lane = this.lanes.find(item.lane);
    if (item.parked === undefined || lane === undefined) return;
    this.push(this.settlements, item, lane, { kind: 'finished', parked: item.parked }, undefined, 0);
    lane.settling += 1;
    this.lanes.advance(lane);
  }

  /** A parked record waits in the loop, for a dependency or for its dead letter: its lane takes nobody's place meanwhile. */
  stands(item: RecordInHand): void {
    const lane = this.lanes.find(item.lane);
    if (lane !== undefined) this.lanes.stands(lane);
  }

  goesOn(item: RecordInHand): void {
    const lane = this.lanes.find(item.lane);
    if (lane !== undefined) this.lanes.goesOn(lane);
  }

  /** The record was given back undone. */
  forget(item: RecordInHand): void {
    this.endRefusal(item);
    const lane = this.lanes.find(item.lane);
    if (item.parked !== undefined && lane?.phase === 'handling') this.lanes.interrupted(lane);
  }

  /** The store has refused it, and its letter is not durable: nothing behind it may be parked before it leaves. */
  isRefused(item: RecordInHand): boolean {
    return this.refusals.has(item);
  }

  /** Looks again at what waits, because somebody else has changed it. False when that was not possible. */
  async refresh(): Promise<boolean> {
    const heads = await this.ask((partitions) => this.store.heads(partitions));
    if (heads === undefined) return false;
    this.lanes.learn(heads, true);
    return true;
  }

  /** The partitions whose records are handled here. */
  partitions(): readonly TopicPartition[] {
    return [...this.owned.values()].filter((epoch) => !epoch.leaving).map(({ topic, partition }) => ({ topic, partition }));
  }

  stop(): void {
    this.stopped.abort();
    this.parks.stop();
    this.settlements.stop();
    this.lanes.stop();
  }

  /** Calls the store; after a failure it waits, longer each time, and resolves with undefined. */
  async ask<T>(question: (partitions: readonly TopicPartition[]) => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await question(this.partitions());
      this.state.succeeded('read');
      return answer;
    } catch (error) {
      await this.state.failed('read', error);
      return undefined;
    }
  }

  private async load(): Promise<void> {
    this.loading = true;
    // Partitions that come in this same turn are asked for together.
    await Promise.resolve();
    while (this.arriving.size > 0 && !this.stopped.signal.aborted) {
      const epochs = [...this.arriving];
      const heads = await this.ask(() => this.store.heads(epochs.map(({ topic, partition }) => ({ topic, partition }))));
      if (heads === undefined) continue;
      const staying = epochs.filter((epoch) => this.arriving.delete(epoch));
      for (const epoch of staying) this.owned.set(nameOf(epoch), epoch);
      this.lanes.learn(heads, false);
      for (const epoch of staying) epoch.admit();
    }
    this.loading = false;
  }

  private epochOf(partition: TopicPartition): Epoch | undefined {
    const epoch = this.owned.get(nameOf(partition));
    return epoch === undefined || epoch.leaving ? undefined : epoch;
  }

  private append(
    item: RecordInHand,
    why: Pick<RecordToPark, 'attempts' | 'delayMs' | 'blocked'> & { readonly error: ClassifiedError },
    outcome: Outcome,
    dueAtMs: number,
  ): void {
    const lane = this.lanes.hold(item.lane, why.error, dueAtMs);
    lane.partitions.add(item.epoch);
    lane.parking += 1;
    lane.grown = true;
    const { record, envelope, firstFailedAtMs } = item;
    const event = envelope instanceof ClassifiedError ? undefined : { id: envelope.id, type: envelope.type, traceId: envelope.traceId };
    this.push(
      this.parks,
      item,
      lane,
      { ...why, error: brief(why.error), lane: item.lane, record, firstFailedAtMs, event },
      outcome,
      dueAtMs,
    );
  }

  private settle(item: RecordInHand, settlement: Settlement, outcome: Outcome, dueAtMs: number): void {
    const lane = this.lanes.find(item.lane);
    // Without its lane the record's partition is gone, and with it the record.
    if (lane === undefined) return;
    lane.settling += 1;
    lane.phase = 'settling';
    this.push(this.settlements, item, lane, settlement, outcome, dueAtMs);
  }

  private push<W>(
    writes: DurableWrites<Pending<W>>,
    item: RecordInHand,
    lane: Lane,
    what: W,
    outcome: Outcome | undefined,
    dueAtMs: number,
  ): void {
    const awaited = this.state.waitsFor === undefined;
    if (awaited) item.epoch.runBegins();
    writes.push({ item, lane, what, outcome, dueAtMs, awaited });
  }

  private writes<W extends RecordToPark | Settlement>(
    work: StoreWork,
    bytesOf: (entry: Pending<W>) => number,
    write: (entries: readonly Pending<W>[]) => Promise<void>,
  ): DurableWrites<Pending<W>> {
    return new DurableWrites<Pending<W>>({
      write,
      bytesOf,
      // A record that was given back undone is its next owner's to park; how an attempt ended stays true.
      isWanted: ({ item, what }) => 'kind' in what || !item.gone,
      // After a crash, what is in the store comes before what is delivered again.
      isHeldBack: ({ lane, what }) => !('kind' in what) && lane.refused > 0,
      isRefusal: (error) => error instanceof ClassifiedError && error.code === 'PARKING_REFUSED',
      onRefused: (entry, error) => error instanceof ClassifiedError && this.refused(entry, error),
      onWritten: (entry) => {
        this.state.succeeded(work);
        this.written(entry);
      },
      onDropped: (entry) => {
        this.unawait(entry);
        this.count(entry);
      },
      onDrained: () => this.state.over(work),
      onFailed: async (entries, error) => {
        for (const entry of entries) this.unawait(entry);
        await this.state.failed(work, error);
      },
    });
  }

  /** False for what can only be tried again: that a record waits no more. */
  private refused(entry: Pending<RecordToPark | Settlement>, error: ClassifiedError): boolean {
    const { item, lane, what, outcome } = entry;
    if ('kind' in what && (what.kind === 'finished' || what.kind === 'buried')) return false;
    if ('kind' in what && what.kind === 'blocked') {
      // Its letter is durable; a key that cannot be blocked goes on.
      this.push(this.settlements, item, lane, { kind: 'buried', parked: what.parked }, outcome, entry.dueAtMs);
      this.unawait(entry);
      return true;
    }
    if (item.buried && outcome !== undefined) this.options.onSettled(item, outcome);
    else if (!item.gone) {
      lane.refused += 1;
      this.refusals.set(item, lane);
      this.options.onRefused(item, error);
    }
    // The lane of a parked record waits for its letter.
    if ('kind' in what && !item.gone) {
      lane.settling -= 1;
      lane.phase = 'handling';
    } else this.count(entry);
    // Last: a rebalance that waits for this record finds its burial begun.
    this.unawait(entry);
    return true;
  }

  private endRefusal(item: RecordInHand): void {
    const lane = this.refusals.get(item);
    if (lane === undefined) return;
    this.refusals.delete(item);
    lane.refused -= 1;
    this.parks.resume();
  }

  private written(entry: Pending<RecordToPark | Settlement>): void {
    const { item, lane, what, outcome, dueAtMs } = entry;
    if (outcome !== undefined) this.options.onSettled(item, outcome);
    if ('kind' in what && what.kind === 'again') this.lanes.rest(lane, dueAtMs);
    if ('kind' in what && what.kind === 'blocked') this.lanes.block(lane);
    this.unawait(entry);
    this.count(entry);
  }

  private count({ lane, what }: Pending<RecordToPark | Settlement>): void {
    if ('kind' in what) this.lanes.settled(lane);
    else this.lanes.parked(lane);
  }

  private unawait(entry: Pending<RecordToPark | Settlement>): void {
    if (!entry.awaited) return;
    entry.awaited = false;
    entry.item.epoch.runEnds();
  }
}

/** What is kept of an error beside the record. */
function brief({ code, message }: ParkedError): ParkedError {
  return { code, message };
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
