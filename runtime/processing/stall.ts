import type { Offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';

/** How long an assigned partition that is behind, and waits for nothing, may stand still, in milliseconds. */
export interface StallThresholds {
  /** From here on the group says so. */
  readonly reportMs: number;
  /** The consumer is made anew. */
  readonly recreateMs: number;
  /** That did not help: the process ends, and whoever started it starts it again. */
  readonly endMs: number;
}

export const DEFAULT_STALL: StallThresholds = { reportMs: 60_000, recreateMs: 120_000, endMs: 300_000 };

/**
 * What is to be done about a group: nothing; say on that it stands; say it for the first time, with all that is known of the loop;
 * make its consumer anew; end the process.
 */
export type StallStep = 'fine' | 'report' | 'dump' | 'recreate' | 'end-process';

/** Why a partition rightly stands still. None of these is mended by another consumer. */
export type StandsFor = 'dependency' | 'dead-letter-topic' | 'parking' | 'handler' | 'lanes-full';

/** One assigned partition as a look finds it. */
export interface PartitionSight extends TopicPartition {
  /** The first offset that is not finished. */
  readonly position: Offset;
  /** There is a record to handle, in hand or in the log. */
  readonly isBehind: boolean;
  readonly standsFor: StandsFor | undefined;
}

interface Silence {
  readonly position: Offset;
  /** Time that was seen to pass while the partition stood: what nobody looked at (a frozen process) is not in it. */
  readonly silentMs: number;
  readonly done: 'nothing' | 'dump' | 'recreate';
}

/** What is remembered from one look to the next, by the partition's name. */
export type StallMemory = ReadonlyMap<string, Silence>;

export interface StallJudgement {
  readonly step: StallStep;
  readonly memory: StallMemory;
  /** The partitions that stand, the one that does so for the longest first. */
  readonly stalled: readonly (PartitionSight & { readonly silentMs: number })[];
}

/**
 * Pure. Each step is taken once for a position, and no process ends before its consumer was made anew: a stall that goes on
 * through all of them cannot make consumers for ever.
 *
 * @param elapsedMs since the look that made the memory, as far as the process was awake
 */
export function judgeStall(
  before: StallMemory,
  sights: readonly PartitionSight[],
  elapsedMs: number,
  thresholds: StallThresholds,
): StallJudgement {
  const memory = new Map<string, Silence>();
  // A new consumer's assignment comes a little later, and perhaps in parts: what was done for a partition is not forgotten meanwhile.
  for (const [name, silence] of before) if (silence.done === 'recreate') memory.set(name, silence);
  const stalled: (PartitionSight & Silence)[] = [];
  for (const sight of sights) {
    const silence = silenceOf(sight, before.get(nameOf(sight)), elapsedMs);
    memory.set(nameOf(sight), silence);
    if (silence.silentMs >= thresholds.reportMs) stalled.push({ ...sight, ...silence });
  }
  stalled.sort((a, b) => b.silentMs - a.silentMs);
  const step = stepFor(stalled, thresholds);
  for (const sight of stalled) {
    const { position, silentMs, done } = sight;
    memory.set(nameOf(sight), { position, silentMs, done: doneAfter(step, done) });
  }
  return { step, memory, stalled };
}

function silenceOf({ position, isBehind, standsFor }: PartitionSight, before: Silence | undefined, elapsedMs: number): Silence {
  if (before?.position !== position || !isBehind || standsFor !== undefined) return { position, silentMs: 0, done: 'nothing' };
  return { ...before, silentMs: before.silentMs + elapsedMs };
}

function stepFor(stalled: readonly Silence[], { recreateMs, endMs }: StallThresholds): StallStep {
  if (stalled.length === 0) return 'fine';
  if (stalled.some(({ silentMs, done }) => silentMs >= endMs && done === 'recreate')) return 'end-process';
  if (stalled.some(({ silentMs, done }) => silentMs >= recreateMs && done !== 'recreate')) return 'recreate';
  return stalled.some(({ done }) => done === 'nothing') ? 'dump' : 'report';
}

/** Another consumer is one for all that stand. */
function doneAfter(step: StallStep, done: Silence['done']): Silence['done'] {
  if (step === 'recreate') return 'recreate';
  return step === 'dump' && done === 'nothing' ? 'dump' : done;
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
