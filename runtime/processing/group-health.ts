import type { ClassifiedError } from '../../core/errors.ts';
import type { HealthReport } from '../../core/lifecycle.ts';
import type { TopicPartition } from '../../core/record.ts';
import type { BreakerFacts } from './breakers.ts';
import type { Unwritten } from './burial.ts';
import { remedyFor } from './burial.ts';
import type { StallFacts } from './stall-watch.ts';

const STALLED_AFTER_MS = 60_000;

const STANDSTILL = { new: 'not started yet', joining: 'joining its group', stopped: 'stopped' } as const;

export interface GroupFacts {
  readonly group: string;
  readonly state: 'new' | 'joining' | 'running' | 'stopped';
  /** Why the group gave up; it does not come back by itself. */
  readonly haltedFor: ClassifiedError | undefined;
  /** The dependency that records wait for. */
  readonly waitsFor: (BreakerFacts & { readonly reason: ClassifiedError }) | undefined;
  /** Of the dependencies that the group has used. */
  readonly breakers: readonly BreakerFacts[];
  /** Records that wait for a dependency. */
  readonly waiting: number;
  readonly assignedPartitions: number;
  readonly pausedPartitions: number;
  readonly inFlight: number;
  /** Records that wait for their next attempt, in the partitions of this member. */
  readonly parked: number;
  /** Why parked records cannot be reached. */
  readonly parkingWaitsFor: ClassifiedError | undefined;
  /** Keys that wait for a person. */
  readonly blockedKeys: number;
  /** Since the first of them is blocked. */
  readonly blockedForMs: number;
  /** Records whose dead letter could not be written yet. */
  readonly unburied: number;
  /** Why one of them could not. */
  readonly unwritten?: Unwritten | undefined;
  /** Records behind the ends of the partitions, as far as those are known. */
  readonly lag: number;
  /** Partitions that stand still without a reason. */
  readonly stall: StallFacts | undefined;
  /** Of the partitions that lag, the one that has not got on for the longest. */
  readonly slowest: SlowPartition | undefined;
}

interface SlowPartition extends TopicPartition {
  readonly lag: number;
  readonly sinceProgressMs: number;
}

/** Ready means making progress: a group that has nothing to do is well, one that has and does not get on is not. */
export function groupHealth(facts: GroupFacts): HealthReport {
  const { status, detail } = judge(facts);
  return {
    name: facts.group,
    status,
    ...(detail === undefined ? {} : { detail }),
    facts: {
      assigned_partitions: facts.assignedPartitions,
      paused_partitions: facts.pausedPartitions,
      in_flight: facts.inFlight,
      parked: facts.parked,
      blocked_keys: facts.blockedKeys,
      waiting: facts.waiting,
      unburied: facts.unburied,
      lag: facts.lag,
      stalled_partitions: facts.stall?.partitions ?? 0,
      seconds_since_progress: seconds(facts.slowest?.sinceProgressMs ?? 0),
      ...Object.fromEntries(facts.breakers.map(({ dependency, state }) => [`breaker_${dependency}`, state])),
    },
  };
}

function judge(facts: GroupFacts): { readonly status: HealthReport['status']; readonly detail?: string } {
  if (facts.haltedFor !== undefined) return { status: 'down', detail: sentence('the group stopped', facts.haltedFor) };
  if (facts.state !== 'running') return { status: 'down', detail: STANDSTILL[facts.state] };
  if (facts.stall !== undefined) return { status: 'degraded', detail: stalled(facts.stall) };
  if (facts.waitsFor !== undefined) {
    const { optional, dependency, reason } = facts.waitsFor;
    return { status: 'degraded', detail: sentence(optional ? `records that need the ${dependency} wait` : 'intake waits', reason) };
  }
  if (facts.unburied > 0) {
    return {
      status: 'degraded',
      detail:
        `${facts.unburied} dead ${facts.unburied === 1 ? 'letter' : 'letters'} cannot be written; their partitions wait. ` +
        (facts.unwritten === undefined ? 'Run `millrace apply`.' : remedyFor(facts.unwritten)),
    };
  }
  if (facts.parkingWaitsFor !== undefined)
    return { status: 'degraded', detail: sentence('records cannot be parked', facts.parkingWaitsFor) };
  if (facts.slowest !== undefined && facts.slowest.sinceProgressMs > STALLED_AFTER_MS) {
    const { topic, partition, lag, sinceProgressMs } = facts.slowest;
    return {
      status: 'degraded',
      detail: `${topic}/${partition} is ${lag} records behind and has made no progress for ${seconds(sinceProgressMs)} s`,
    };
  }
  if (facts.blockedKeys > 0) {
    const minutes = Math.round(facts.blockedForMs / 60_000);
    return {
      status: 'degraded',
      detail: `${facts.blockedKeys} ${facts.blockedKeys === 1 ? 'key is' : 'keys are'} blocked, the first for ${minutes} min. Run \`millrace parked list --group ${facts.group} --blocked\`.`,
    };
  }
  return { status: 'ok' };
}

/** Pure. One clock for each partition: others that go on must not hide one that stands. */
export function slowestOf(
  partitions: readonly (TopicPartition & { readonly lag: number; readonly progressAtMs: number })[],
  nowMs: number,
): SlowPartition | undefined {
  let slowest: SlowPartition | undefined;
  for (const { topic, partition, lag, progressAtMs } of partitions) {
    const sinceProgressMs = nowMs - progressAtMs;
    if (lag > 0 && (slowest === undefined || sinceProgressMs > slowest.sinceProgressMs))
      slowest = { topic, partition, lag, sinceProgressMs };
  }
  return slowest;
}

function stalled({ partitions, longest, longestMs }: StallFacts): string {
  const which = `${longest.topic}/${longest.partition}`;
  const others = partitions === 1 ? '' : `, the longest of ${partitions},`;
  return `STALLED: ${which}${others} is behind, waits for nothing and has not got on for ${seconds(longestMs)} s. See "the watch over the consumers" in docs/operations.md.`;
}

function seconds(ms: number): number {
  return Math.round(ms / 1_000);
}

function sentence(what: string, error: ClassifiedError): string {
  return `${what}: ${error.code}. ${error.remedy}`;
}
