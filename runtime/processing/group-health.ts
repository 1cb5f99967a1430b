import type { ClassifiedError } from '../../core/errors.ts';
import type { HealthReport } from '../../core/lifecycle.ts';
import type { BreakerFacts } from './breakers.ts';

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
  /** Records behind the ends of the partitions, as far as those are known. */
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
      seconds_since_progress: Math.round(facts.sinceProgressMs / 1000),
      ...Object.fromEntries(facts.breakers.map(({ dependency, state }) => [`breaker_${dependency}`, state])),
    },
  };
}

function judge(facts: GroupFacts): { readonly status: HealthReport['status']; readonly detail?: string } {
  if (facts.haltedFor !== undefined) return { status: 'down', detail: sentence('the group stopped', facts.haltedFor) };
  if (facts.state !== 'running') return { status: 'down', detail: STANDSTILL[facts.state] };
  if (facts.waitsFor !== undefined) {
    const { optional, dependency, reason } = facts.waitsFor;
    return { status: 'degraded', detail: sentence(optional ? `records that need the ${dependency} wait` : 'intake waits', reason) };
  }
  if (facts.unburied > 0) {
    return {
      status: 'degraded',
      detail: `${facts.unburied} dead letters cannot be written; their partitions wait. Run \`millrace apply\`.`,
    };
  }
  if (facts.parkingWaitsFor !== undefined)
    return { status: 'degraded', detail: sentence('records cannot be parked', facts.parkingWaitsFor) };
  if (facts.lag > 0 && facts.sinceProgressMs > STALLED_AFTER_MS) {
    return { status: 'degraded', detail: `${facts.lag} records behind and no progress for ${Math.round(facts.sinceProgressMs / 1000)} s` };
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

function sentence(what: string, error: ClassifiedError): string {
  return `${what}: ${error.code}. ${error.remedy}`;
}
