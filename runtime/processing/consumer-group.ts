import type { ConsumerEvents, OffsetReset } from '../../core/broker.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import { classified } from '../../core/errors.ts';
import type { HealthReport, HealthSource, Service } from '../../core/lifecycle.ts';
import type { Offset } from '../../core/offset.ts';
import type { ConsumedRecord, TopicPartition } from '../../core/record.ts';
import { Assignment } from './assignment.ts';
import type { TopicBalance } from './balance.ts';
import type { BreakerFacts } from './breakers.ts';
import type { ConsumerGroupOptions, ConsumerGroupSettings } from './consumer-group-options.ts';
import { withDefaults } from './consumer-group-options.ts';
import { groupHealth, slowestOf } from './group-health.ts';
import { IntakeValve } from './intake-valve.ts';
import { LagGauge } from './lag-gauge.ts';
import { OffsetCommitter } from './offset-committer.ts';
import type { PartitionEpoch } from './partition-epoch.ts';
import { ParkingWatch } from './parking-watch.ts';
import { pause } from './pause.ts';
import { reportReset } from './report-reset.ts';
import type { RecordLoop } from './record-loop.ts';
import { createRecordLoop } from './record-loop-with-failpoints.ts';
import { RenewableConsumer } from './renewable-consumer.ts';
import { StallWatch } from './stall-watch.ts';
import { standsFor } from './stands-for.ts';

const BREAKER_STATES = ['closed', 'open', 'half-open'] as const;

export interface ConsumerGroup extends Service, HealthSource {
  /** `in = acked + skipped + retried + deadLettered + released + inFlight`, at every moment. */
  balance(): TopicBalance & { readonly inFlight: number };
}

/**
 * One consumer group: takes records in, handles those of one key in order and those of different keys at the same time,
 * sees each out by exactly one door, and commits an offset only when every record below it has left by a door whose effect
 * is durable. What was handled and not committed comes again: handlers must be idempotent.
 */
export function createConsumerGroup(options: ConsumerGroupOptions): ConsumerGroup {
  return new RunningGroup(withDefaults(options));
}

class RunningGroup implements ConsumerGroup, ConsumerEvents {
  readonly name: string;
  private readonly settings: ConsumerGroupSettings;
  private readonly consumer: RenewableConsumer;
  private readonly valve: IntakeValve;
  private readonly loop: RecordLoop;
  private readonly committer: OffsetCommitter;
  private readonly assignment: Assignment;
  private readonly lagGauge: LagGauge;
  private readonly parkingWatch: ParkingWatch;
  private readonly stallWatch: StallWatch;
  private readonly ticking = new AbortController();
  private state: 'new' | 'joining' | 'running' | 'stopped' = 'new';
  private joining: Promise<void> = Promise.resolve();
  private stopping: Promise<void> | undefined;
  private haltedFor: ClassifiedError | undefined;
  private finishedSinceCommit = 0;

  constructor(options: ConsumerGroupSettings) {
    const { group, topics, sessionTimeoutMs, rebalanceTimeoutMs } = options;
    const settings = { ...options, logger: options.logger.child({ 'log.logger': 'processing', group }) };
    this.name = group;
    this.settings = settings;
    const membership = { group, topics, from: 'earliest', sessionTimeoutMs, rebalanceTimeoutMs } as const;
    this.consumer = new RenewableConsumer(() => settings.broker.consumer(membership));
    this.valve = new IntakeValve(this.consumer, settings.limits);
    this.loop = createRecordLoop({
      settings,
      onLeft: (partition) => this.onLeft(partition),
      onBreaker: (breaker, reason) => this.onBreaker(breaker, reason),
      onIntake: (shut) => this.onIntake(shut),
      onFatal: (error) => this.onHalted(error),
    });
    this.committer = new OffsetCommitter({ consumer: this.consumer, logger: settings.logger, failpoint: settings.failpoint });
    const { loop, valve, committer } = this;
    const { parking, waysOut } = loop.parts;
    this.assignment = new Assignment({ clock: settings.clock, waysOut, valve, committer, parking });
    this.lagGauge = new LagGauge(settings.metrics, group);
    const { parked: store, parkedLookMs: intervalMs } = settings;
    this.parkingWatch = new ParkingWatch({ ...settings, store, parking, intervalMs });
    this.stallWatch = new StallWatch({
      ...settings,
      thresholds: settings.stall,
      partitions: () => (this.haltedFor === undefined ? this.assignment.staying() : []),
      standsFor: (epoch) => standsFor(epoch, loop.parts, valve.isPaused(epoch), settings.clock.monotonicMs()),
      isPaused: (epoch) => valve.isPaused(epoch),
      renew: () => this.consumer.renew(),
      onFatal: (error) => loop.halt(error),
    });
  }

  /**
   * Begins to join the group and resolves: a process starts while the brokers are away. The health says when the group works;
   * what can never work goes to `onFatal`.
   */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.state = 'joining';
    this.joining = this.join();
    void this.tick();
    void this.parkingWatch.run(this.ticking.signal);
    void this.stallWatch.run(this.ticking.signal);
  }

  /** Gives back what has not begun, waits for what runs, commits, leaves the group. */
  async stop(hard: AbortSignal): Promise<void> {
    this.stopping ??= this.stopNow(hard);
    await this.stopping;
  }

  onRecords(partition: TopicPartition, records: readonly ConsumedRecord[], highWatermark: Offset, next: Offset): void {
    let epoch = this.assignment.taking(partition);
    // Not ours any more: whoever is given the partition starts from what is committed.
    if (epoch === undefined) return;
    epoch.highWatermark = highWatermark;
    for (const record of records) {
      const arrival = epoch.arrival(record.offset);
      if (arrival === 'in-hand') continue;
      if (arrival === 'rewound') {
        const position = { 'kafka.topic': partition.topic, 'kafka.partition': partition.partition, 'kafka.offset': record.offset };
        this.settings.logger.warn(position, 'the partition was rewound: its records are handled again');
        epoch = this.assignment.renew(epoch);
        epoch.highWatermark = highWatermark;
      }
      this.loop.takeIn(epoch, record);
    }
    epoch.readTo = next;
    this.valve.check(epoch);
  }

  onAssigned(partitions: readonly TopicPartition[]): void {
    if (this.state !== 'stopped') this.assignment.add(partitions);
  }

  async onRevoking(partitions: readonly TopicPartition[]): Promise<void> {
    await this.assignment.release(partitions, this.settings.drainMs);
    this.publish();
  }

  onLost(partitions: readonly TopicPartition[]): void {
    this.assignment.lose(partitions);
    this.publish();
  }

  onReset(reset: OffsetReset): void {
    reportReset(reset, this.settings);
  }

  onFatal(error: ClassifiedError): void {
    this.loop.halt(error);
    this.assignment.lose(this.assignment.all());
  }

  balance(): TopicBalance & { readonly inFlight: number } {
    const { balance } = this.loop.parts;
    return { ...balance.totals(), inFlight: balance.inFlight };
  }

  health(): HealthReport[] {
    const { balance, breakers, burial, parking } = this.loop.parts;
    const epochs = this.assignment.all();
    const report = groupHealth({
      group: this.name,
      state: this.state,
      haltedFor: this.haltedFor,
      waitsFor: breakers.waitsFor,
      breakers: breakers.facts(),
      waiting: breakers.waiting,
      assignedPartitions: epochs.length,
      pausedPartitions: this.valve.pausedPartitions,
      inFlight: balance.inFlight,
      parked: this.parkingWatch.survey.records,
      parkingWaitsFor: parking.waitsFor,
      blockedKeys: this.parkingWatch.survey.blockedLanes,
      blockedForMs: this.parkingWatch.survey.blockedForMs,
      unburied: burial.unburied,
      unwritten: burial.unwritten,
      lag: epochs.reduce((sum, epoch) => sum + epoch.lag, 0),
      stall: this.stallWatch.facts,
      slowest: slowestOf(epochs, this.settings.clock.monotonicMs()),
    });
    return [report];
  }

  private async join(): Promise<void> {
    try {
      await this.consumer.start(this);
      if (this.state === 'joining') this.state = 'running';
    } catch (error) {
      this.loop.halt(classified(error, 'KAFKA_UNAVAILABLE', 'the group could not be joined'));
    }
  }

  private async stopNow(hard: AbortSignal): Promise<void> {
    this.state = 'stopped';
    this.ticking.abort();
    await this.assignment.release(this.assignment.all(), this.settings.handlerTimeoutMs, hard);
    this.loop.parts.stop();
    await this.consumer.stop();
    await this.joining;
    this.publish();
  }

  private async tick(): Promise<void> {
    while (!this.ticking.signal.aborted) {
      await pause(this.settings.clock, this.settings.commitIntervalMs, this.ticking.signal);
      this.publish();
      await this.commit();
    }
  }

  private async commit(): Promise<void> {
    this.finishedSinceCommit = 0;
    await this.committer.commit(this.assignment.all());
  }

  private onLeft(partition: PartitionEpoch): void {
    this.valve.check(partition);
    this.finishedSinceCommit += 1;
    if (this.finishedSinceCommit >= this.settings.commitRecordsMax) void this.commit();
  }

  private onIntake(shut: boolean): void {
    if (shut) this.valve.shut();
    else if (this.haltedFor === undefined) this.valve.reopen();
  }

  private onBreaker({ dependency, optional }: BreakerFacts, reason: ClassifiedError | undefined): void {
    const { logger } = this.settings;
    const who = optional ? `records that need the ${dependency}` : 'intake';
    if (reason === undefined) logger.info({ dependency }, `${who} may go on`);
    else logger.warn({ dependency, 'error.code': reason.code }, `${who} must wait: ${reason.remedy}`, reason);
  }

  private onHalted(error: ClassifiedError): void {
    if (this.haltedFor !== undefined) return;
    this.haltedFor = error;
    this.valve.shut();
    this.settings.logger.error({ 'error.code': error.code }, `the group stops: ${error.remedy}`, error);
    this.settings.onFatal(error);
  }

  private publish(): void {
    const { metrics } = this.settings;
    const { balance, breakers } = this.loop.parts;
    balance.publish(metrics, this.name);
    this.lagGauge.publish(this.assignment.all());
    for (const { dependency, state } of breakers.facts())
      for (const each of BREAKER_STATES)
        metrics.gauge('millrace_breaker_state', { group: this.name, dependency, state: each }, each === state ? 1 : 0);
  }
}
