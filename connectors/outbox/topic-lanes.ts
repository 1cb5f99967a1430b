import { ClassifiedError } from '../../core/errors.ts';
import { partitionOfKey } from '../../core/partition-of-key.ts';
import type { Road } from './partition-lane.ts';
import { PartitionLane } from './partition-lane.ts';

/** Partitions may be added to a topic: how old the knowledge of their number may be. */
const COUNT_AGE_MAX_MS = 60_000;

/** The lanes of one topic, made as they are needed. */
export class TopicLanes {
  readonly topic: string;
  private readonly road: Road;
  private readonly isForLetters: boolean;
  private readonly lanes: PartitionLane[] = [];
  private count: number | undefined;
  private countedMs = 0;
  private counting: Promise<void> | undefined;

  constructor(road: Road, topic: string, isForLetters = false) {
    this.road = road;
    this.topic = topic;
    this.isForLetters = isForLetters;
  }

  /** Everything that was made so far. */
  get all(): readonly PartitionLane[] {
    return this.lanes.filter(Boolean);
  }

  /** The lane of a key, `bytes[start, end)`; undefined while the number of partitions is not known: `learn` it. */
  laneOf(bytes: Uint8Array, start: number, end: number): PartitionLane | undefined {
    const partitions = this.count ?? this.known();
    if (partitions === undefined) return undefined;
    return this.lane(start === end ? 0 : partitionOfKey(bytes, partitions, start, end));
  }

  /** Asks for the number of partitions. Rejects as `BatchProducer.partitionCount` does. */
  async learn(): Promise<void> {
    const count = await this.road.producer.partitionCount(this.topic);
    if (this.count !== undefined && count < this.count) {
      // A new number for what comes next only would let it overtake what was placed by the old one.
      const message = `the topic ${this.topic} has ${count} partitions instead of ${this.count}; what is not acknowledged is placed anew`;
      this.road.onAstray(new ClassifiedError('CONFIGURATION_INVALID', message));
      return;
    }
    this.count = count;
    this.countedMs = this.road.clock.monotonicMs();
  }

  /** A new turn: everything is placed anew, by the number of partitions that there is now. */
  forget(): void {
    this.count = undefined;
    for (const lane of this.all) lane.forget();
  }

  /** Asks again, beside the work, when the knowledge is old; what is known holds until then. */
  refresh(): void {
    if (this.count === undefined || this.counting !== undefined) return;
    if (this.road.clock.monotonicMs() - this.countedMs < COUNT_AGE_MAX_MS) return;
    this.counting = this.learn()
      .catch(() => {
        this.countedMs = this.road.clock.monotonicMs(); // later again; an append tells what is wrong
      })
      .finally(() => (this.counting = undefined));
  }

  private known(): number | undefined {
    this.count = this.road.producer.knownPartitionCount(this.topic);
    this.countedMs = this.road.clock.monotonicMs();
    return this.count;
  }

  private lane(partition: number): PartitionLane {
    let lane = this.lanes[partition];
    if (lane === undefined) {
      lane = new PartitionLane(this.road, this.topic, partition, this.isForLetters);
      this.lanes[partition] = lane;
    }
    return lane;
  }
}
