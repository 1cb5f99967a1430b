import type { Consumer, ConsumerEvents, ConsumerOptions, OffsetReset } from '../../core/broker.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';
import { GuardedEvents } from './guarded-events.ts';
import type { GroupMember, InMemoryGroup } from './in-memory-group.ts';
import type { InMemoryLog } from './in-memory-log.ts';
import { offsetReset } from './offset-reset.ts';
import { partitionKey } from './partition-key.ts';

const MAX_RECORDS_PER_DELIVERY = 500;
const REDELIVERY_DELAY_MS = 20;

/** The broker as its consumers see it. */
export interface InMemoryServer {
  readonly log: InMemoryLog;
  readonly logger: Logger;
  isUp(): boolean;
  whenUp(): Promise<void>;
  group(name: string): InMemoryGroup;
}

interface Assignment {
  readonly partition: TopicPartition;
  position: Offset;
  paused: boolean;
  /** Waits before the same records are delivered again, after the callback threw. */
  backingOff: boolean;
}

export class InMemoryConsumer implements Consumer, GroupMember {
  private readonly server: InMemoryServer;
  private readonly options: ConsumerOptions;
  private readonly group: InMemoryGroup;
  private readonly assignments = new Map<string, Assignment>();
  private events: GuardedEvents | undefined;
  private starting: Promise<void> | undefined;
  private revoking: Promise<void> | undefined;
  private joined = false;
  private stopped = false;
  private tellStopped: () => void = () => undefined;
  private readonly stopping = new Promise<void>((resolve) => (this.tellStopped = resolve));
  private pumpScheduled = false;
  private readonly begun = new Set<string>();

  constructor(server: InMemoryServer, options: ConsumerOptions) {
    this.server = server;
    this.options = options;
    this.group = server.group(options.group);
  }

  get topics(): readonly string[] {
    return this.options.topics;
  }

  start(events: ConsumerEvents): Promise<void> {
    this.starting ??= this.join(new GuardedEvents(events, this.server.logger));
    return this.starting;
  }

  private async join(events: GuardedEvents): Promise<void> {
    this.events = events;
    await Promise.race([this.server.whenUp(), this.stopping]);
    if (this.stopped) return;
    for (const topic of this.topics) {
      if (this.server.log.partitionsOf(topic).length === 0)
        throw new ClassifiedError('CONFIGURATION_INVALID', `topic ${topic} does not exist`);
    }
    this.joined = true;
    await this.group.join(this);
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.change(partition, (assignment) => (assignment.paused = true));
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.change(partition, (assignment) => (assignment.paused = false));
    this.wake();
  }

  seek(partition: TopicPartition, offset: Offset): void {
    this.change(partition, (assignment) => (assignment.position = offset));
    this.wake();
  }

  async commit(positions: readonly (TopicPartition & { readonly offset: Offset })[]): Promise<boolean> {
    if (!this.server.isUp()) throw new ClassifiedError('KAFKA_UNAVAILABLE', 'the offsets could not be committed');
    const ours = positions.filter((position) => this.assignments.has(partitionKey(position)));
    for (const position of ours) this.group.committed.set(partitionKey(position), position.offset);
    return ours.length === positions.length;
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    this.tellStopped();
    await this.revoke();
    if (this.joined) this.group.leave(this);
  }

  revoke(): Promise<void> {
    this.revoking ??= this.drain().finally(() => (this.revoking = undefined));
    return this.revoking;
  }

  lose(): void {
    const lost = this.partitions();
    this.assignments.clear();
    if (lost.length > 0) this.events?.onLost(lost);
  }

  assign(partitions: readonly TopicPartition[]): void {
    if (this.stopped) return;
    for (const partition of partitions) {
      const position = this.group.committedOffset(partition) ?? this.begin(partition);
      this.assignments.set(partitionKey(partition), { partition, position, paused: false, backingOff: false });
    }
    this.events?.onAssigned(partitions);
    this.wake();
  }

  /** Delivers what there is, after the current turn of the event loop. */
  wake(): void {
    if (this.pumpScheduled || this.assignments.size === 0) return;
    this.pumpScheduled = true;
    queueMicrotask(() => {
      this.pumpScheduled = false;
      this.deliver();
    });
  }

  private begin(partition: TopicPartition): Offset {
    if (this.options.from === 'earliest') {
      this.tellReset(partition, undefined);
      return this.server.log.earliest(partition);
    }
    const end = this.server.log.end(partition);
    // Committed at once: whatever comes from now on is never skipped, even when this member dies before its first commit.
    this.group.committed.set(partitionKey(partition), end);
    return end;
  }

  private async drain(): Promise<void> {
    const partitions = this.partitions();
    if (partitions.length > 0) await this.events?.onRevoking(partitions, this.options.rebalanceTimeoutMs ?? 60_000);
    this.assignments.clear();
  }

  private deliver(): void {
    if (!this.server.isUp() || this.revoking !== undefined || this.stopped) return;
    let more = false;
    for (const assignment of [...this.assignments.values()]) more = this.deliverPartition(assignment) || more;
    if (more) this.wake();
  }

  private deliverPartition(assignment: Assignment): boolean {
    if (assignment.paused || assignment.backingOff) return false;
    const { partition } = assignment;
    assignment.position = this.tellReset(partition, assignment.position)?.to ?? assignment.position;
    const { position } = assignment;
    const records = this.server.log.read(partition, position, MAX_RECORDS_PER_DELIVERY);
    const last = records.at(-1);
    if (last === undefined) return false;
    // Moved before the call, so that a seek inside it wins.
    const next = (last.offset + 1n) as Offset;
    assignment.position = next;
    if (this.events?.onRecords(partition, records, this.server.log.end(partition), next) === false) this.deliverAgain(assignment, position);
    return true;
  }

  private tellReset(partition: TopicPartition, from: Offset | undefined): OffsetReset | undefined {
    const { log } = this.server;
    const reset = offsetReset(from, { ...partition, earliest: log.earliest(partition), end: log.end(partition) });
    const isSaid = from === undefined && this.begun.has(partitionKey(partition));
    if (from === undefined) this.begun.add(partitionKey(partition));
    if (reset !== undefined && !isSaid) this.events?.onReset(reset);
    // It can never be read again: passed over for good.
    if (reset?.reason === 'records-gone') this.group.committed.set(partitionKey(partition), reset.to);
    return reset;
  }

  private deliverAgain(assignment: Assignment, position: Offset): void {
    assignment.position = position;
    assignment.backingOff = true;
    setTimeout(() => {
      assignment.backingOff = false;
      this.wake();
    }, REDELIVERY_DELAY_MS);
  }

  private partitions(): TopicPartition[] {
    return [...this.assignments.values()].map(({ partition }) => partition);
  }

  private change(partition: TopicPartition, how: (assignment: Assignment) => unknown): void {
    const assignment = this.assignments.get(partitionKey(partition));
    if (assignment !== undefined) how(assignment);
  }
}
