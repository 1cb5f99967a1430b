import type { Clock } from '../../core/clock.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { ParkedHead, ParkedRecord } from '../../core/parked-records.ts';
import type { TopicPartition } from '../../core/record.ts';
import { DueSchedule } from './due-schedule.ts';
import { LaneQueue } from './lane-queue.ts';
import type { ParkedMemoryLimits } from './parked-memory.ts';
import { ParkedMemory } from './parked-memory.ts';
import type { ParkedLane } from './parked-lane.ts';
import { nextStep, parkedLane } from './parked-lane.ts';
import type { PartitionEpoch } from './partition-epoch.ts';
import type { RecordInHand } from './record-in-hand.ts';

type Epoch = PartitionEpoch<RecordInHand>;
export type Lane = ParkedLane<Epoch>;

/** Due times that are nearer to each other are the same one, told twice. */
const ROUNDING_MS = 1_000;

/** Lanes that may stand beside each that is active: each of them holds one record. */
const STANDING_PER_PLACE = 4;

interface ParkedLanesOptions {
  readonly clock: Clock;
  /** Lanes that are read and handled at the same time. */
  readonly activeMax: number;
  readonly memory: ParkedMemoryLimits;
  /** The first records of the lanes, so many of each. Resolves with undefined when they could not be read, after a pause. */
  readonly read: (
    lanes: readonly string[],
    page: { readonly recordsMax: number; readonly bytesMax: number },
  ) => Promise<readonly ParkedRecord[] | undefined>;
  /** The stay of the partition, while it takes part. */
  readonly epochOf: (partition: TopicPartition) => Epoch | undefined;
  /** The record's turn has come: it goes through the loop, and `advance` is called when the lane may go on. */
  readonly handOver: (parked: ParkedRecord, epoch: Epoch) => void;
}

/**
 * The lanes that are held because records of theirs are parked, and what each of them waits for. Knows the lanes and not their
 * records, which are read page by page when their turn comes: memory is one entry per key that waits, and `memory` for records.
 */
export class ParkedLanes {
  private readonly options: ParkedLanesOptions;
  private readonly lanes = new Map<string, Lane>();
  /** Those that are being read or handled. */
  private readonly active = new Set<Lane>();
  /** Those whose record waits in the loop for something that others may not need. */
  private readonly standing = new Set<Lane>();
  private readonly schedule: DueSchedule<Lane>;
  private readonly memory: ParkedMemory;
  /** Lanes that are to be read: those that go on where they are come first. */
  private readonly queue = new LaneQueue<Lane>();
  private readonly rereads = new LaneQueue<Lane>();
  private reading = false;
  private stopped = false;

  constructor(options: ParkedLanesOptions) {
    this.options = options;
    this.memory = new ParkedMemory(options.memory);
    this.schedule = new DueSchedule(options.clock, (lane, dueAtMs) => {
      if (this.isHeld(lane) && lane.phase === 'waiting' && lane.dueAtMs === dueAtMs) this.wantRead(lane);
    });
  }

  get size(): number {
    return this.lanes.size;
  }

  get blocked(): number {
    let count = 0;
    for (const { phase } of this.lanes.values()) if (phase === 'blocked') count += 1;
    return count;
  }

  /** Of parked records in memory. */
  get bytes(): number {
    return this.memory.bytes;
  }

  find(name: string): Lane | undefined {
    return this.lanes.get(name);
  }

  /** The lane, held from now on. A new one is looked at when it is due. */
  hold(name: string, error: ClassifiedError, dueAtMs: number): Lane {
    const held = this.lanes.get(name);
    if (held !== undefined) return held;
    const lane = parkedLane<Epoch>(name, error, dueAtMs);
    this.lanes.set(name, lane);
    return lane;
  }

  /** A record of the lane is durable, or will never be. */
  parked(lane: Lane): void {
    lane.parking -= 1;
    if (this.isHeld(lane) && lane.phase === 'writing') this.waitUntil(lane, lane.dueAtMs);
  }

  settled(lane: Lane): void {
    lane.settling -= 1;
    if (this.isHeld(lane) && lane.phase === 'settling' && lane.settling === 0) this.advance(lane);
  }

  /** Nothing is read ahead any more: the lane's first record waits again, unless somebody else has changed the lane. */
  rest(lane: Lane, dueAtMs: number): void {
    this.forgetRecords(lane);
    if (!this.isHeld(lane)) return;
    if (lane.stale) this.wantRead(lane);
    else this.waitUntil(lane, dueAtMs);
  }

  block(lane: Lane): void {
    this.forgetRecords(lane);
    if (lane.stale && this.isHeld(lane)) this.wantRead(lane);
    else this.deactivate(lane, 'blocked');
  }

  /** The lane's record waits in the loop. Others take its place, and nothing is kept of what was read ahead. */
  stands(lane: Lane): void {
    if (lane.phase !== 'handling' || this.standing.size >= this.options.activeMax * STANDING_PER_PLACE) return;
    if (!this.active.delete(lane)) return;
    this.standing.add(lane);
    this.memory.keep(lane, []);
    lane.complete = false;
    void this.pump();
  }

  /** It takes its place again, also when there is none: how many go on at once is for those to say whom they waited for. */
  goesOn(lane: Lane): void {
    if (this.standing.delete(lane)) this.active.add(lane);
  }

  /** None of the lane's records is in the loop: whatever comes next begins. */
  advance(lane: Lane): void {
    if (!this.isHeld(lane)) return;
    this.goesOn(lane);
    this.memory.leaveLoop(lane);
    this.dropForeign(lane);
    this.follow(lane);
    this.readMore();
  }

  private follow(lane: Lane): void {
    const now = this.options.clock.monotonicMs();
    const step = nextStep(lane, now);
    switch (step.kind) {
      case 'hand-over': {
        const epoch = this.options.epochOf(step.entry.parked.record);
        this.memory.enterLoop(lane);
        lane.phase = 'handling';
        if (epoch !== undefined) this.options.handOver(step.entry.parked, epoch);
        return;
      }
      case 'wait':
        this.rest(lane, step.dueAtMs);
        return;
      case 'block':
        this.block(lane);
        return;
      case 'settle':
        lane.phase = 'settling';
        return;
      case 'read':
        this.wantRead(lane);
        return;
      case 'write':
        lane.dueAtMs = now;
        this.deactivate(lane, 'writing');
        return;
      case 'release':
        this.lanes.delete(lane.name);
        this.deactivate(lane, 'over');
    }
  }

  /** The lane's record was given back: the store alone knows what is the first one of those that stay. */
  interrupted(lane: Lane): void {
    this.forgetRecords(lane);
    if (!this.isHeld(lane)) return;
    if ([...lane.partitions].some((epoch) => !epoch.leaving)) this.advance(lane);
    else this.deactivate(lane, 'over');
  }

  /**
   * What the store holds. `isAll`: these are the heads of all partitions, so that lanes which are not among them may have
   * nothing left, and those that wait are told anew what for.
   */
  learn(heads: readonly ParkedHead[], isAll: boolean): void {
    const first = new Map<string, ParkedHead>();
    const fresh = new Set<Lane>();
    for (const head of heads) {
      const epoch = this.options.epochOf(head);
      if (epoch === undefined) continue;
      const known = this.lanes.get(head.lane);
      const lane = known ?? this.hold(head.lane, EARLIER, 0);
      if (known === undefined) fresh.add(lane);
      lane.partitions.add(epoch);
      const other = first.get(head.lane);
      if (other === undefined || head.seq < other.seq) first.set(head.lane, head);
    }
    for (const [name, head] of first) {
      const lane = this.lanes.get(name);
      if (lane === undefined) continue;
      if (fresh.has(lane) || (isAll && isAtRest(lane))) this.waitFor(lane, head);
      else this.disturb(lane);
    }
    if (isAll) for (const lane of this.lanes.values()) if (!first.has(lane.name)) this.disturb(lane);
  }

  /** Forgets what belongs to the stay of a partition that is over. */
  dismiss(epoch: Epoch): void {
    for (const lane of this.lanes.values()) {
      if (!lane.partitions.delete(epoch)) continue;
      if (lane.partitions.size > 0) {
        this.disturb(lane);
        continue;
      }
      this.lanes.delete(lane.name);
      this.forgetRecords(lane);
      this.deactivate(lane, 'over');
    }
  }

  stop(): void {
    this.stopped = true;
    this.schedule.stop();
  }

  private isHeld(lane: Lane): boolean {
    return this.lanes.get(lane.name) === lane;
  }

  private waitFor(lane: Lane, head: ParkedHead): void {
    if (head.blocked) {
      this.block(lane);
      return;
    }
    const dueAtMs = this.options.clock.monotonicMs() + head.dueInMs;
    const isKnown = lane.phase === 'waiting' && Math.abs(lane.dueAtMs - dueAtMs) < ROUNDING_MS;
    if (!isKnown) this.waitUntil(lane, dueAtMs);
  }

  private waitUntil(lane: Lane, dueAtMs: number): void {
    lane.dueAtMs = dueAtMs;
    this.deactivate(lane, 'waiting');
    this.schedule.add(lane, dueAtMs);
  }

  /** Something about the lane has changed behind its back: it looks again as soon as none of its records is in the loop. */
  private disturb(lane: Lane): void {
    lane.stale = true;
    this.memory.keep(lane, []);
    if (isAtRest(lane)) this.wantRead(lane);
    else if (lane.phase === 'writing') lane.dueAtMs = this.options.clock.monotonicMs();
  }

  private deactivate(lane: Lane, phase: Lane['phase']): void {
    lane.phase = phase;
    this.standing.delete(lane);
    if (this.active.delete(lane)) void this.pump();
  }

  /** Records of partitions that are being given away are left to their next owner. */
  private dropForeign(lane: Lane): void {
    if (lane.tail.length === 0) return;
    const ours = lane.tail.filter(({ parked }) => this.options.epochOf(parked.record) !== undefined);
    if (ours.length === lane.tail.length) return;
    this.memory.keep(lane, ours);
    lane.complete = false;
  }

  private forgetRecords(lane: Lane): void {
    this.memory.forget(lane);
    lane.complete = false;
    this.readMore();
  }

  /** There may be room for lanes that wait to be read. */
  private readMore(): void {
    if (this.queue.size + this.rereads.size > 0) void this.pump();
  }

  private wantRead(lane: Lane): void {
    // What is to be read again takes up no room meanwhile.
    this.memory.keep(lane, []);
    if (lane.settling > 0) {
      lane.stale = true;
      lane.phase = 'settling';
      return;
    }
    lane.phase = 'queued';
    (this.active.has(lane) ? this.rereads : this.queue).push(lane);
    void this.pump();
  }

  private async pump(): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    for (let lanes = this.nextToRead(); lanes.length > 0 && !this.stopped; lanes = this.nextToRead()) {
      const records = await this.options.read(
        lanes.map(({ name }) => name),
        this.memory.pageOf(lanes.length),
      );
      this.spread(lanes, records);
    }
    this.reading = false;
  }

  private nextToRead(): Lane[] {
    const next: Lane[] = [];
    const lanesMax = this.memory.lanesToRead;
    while (next.length < lanesMax) {
      const lane = this.rereads.shift() ?? (this.active.size < this.options.activeMax ? this.queue.shift() : undefined);
      if (lane === undefined) break;
      if (!this.isHeld(lane) || lane.phase !== 'queued') continue;
      lane.phase = 'reading';
      lane.stale = false;
      lane.grown = lane.parking > 0;
      this.active.add(lane);
      next.push(lane);
    }
    return next;
  }

  /** Gives each lane what was read of it. */
  private spread(lanes: readonly Lane[], records: readonly ParkedRecord[] | undefined): void {
    const now = this.options.clock.monotonicMs();
    const pages = new Map<string, ParkedRecord[]>(lanes.map(({ name }) => [name, []]));
    for (const record of records ?? []) pages.get(record.lane)?.push(record);
    for (const lane of lanes) {
      if (!this.isHeld(lane) || lane.phase !== 'reading') continue;
      const page = pages.get(lane.name) ?? [];
      // Somebody else may have put a record of another partition into the lane.
      for (const { record } of page) {
        const epoch = this.options.epochOf(record);
        if (epoch !== undefined) lane.partitions.add(epoch);
      }
      this.memory.keep(
        lane,
        page.map((parked) => ({ parked, dueAtMs: now + parked.dueInMs })),
      );
      lane.complete = records !== undefined && page.at(-1)?.isLast !== false;
      this.advance(lane);
    }
  }
}

/** Of a lane that was parked before this process looked. */
const EARLIER = new ClassifiedError('HANDLER_FAILED', 'an earlier record of this key waits for its retry');

function isAtRest(lane: Lane): boolean {
  return lane.phase === 'waiting' || lane.phase === 'blocked' || lane.phase === 'over';
}
