import type { CallName } from '../../core/calls.ts';
import type { ProcessorDefinition, Reaction } from '../../core/define.ts';

interface ReactionLimits {
  /** What an attempt may take beside its declared call and a lock: decoding, the way to the transaction, the transaction. */
  readonly stepTimeoutMs: number;
  /** Longest wait for a lock that the reaction declares. */
  readonly lockTimeoutMs: number;
  /** Keys that are handled at the same time. */
  readonly concurrencyMax: number;
  readonly callConcurrencyMax: Readonly<Record<CallName, number>>;
}

/**
 * The deadline of an attempt, by the type of its event. A declared call may also have to wait for its place: when all keys
 * call at once there are as many rounds as the places make necessary, each as long as the call may take.
 */
export function reactionTimeouts(processor: ProcessorDefinition, limits: ReactionLimits): ReadonlyMap<string, number> {
  return new Map(processor.reactions.map((reaction) => [reaction.on, timeoutMs(reaction, limits)]));
}

function timeoutMs(reaction: Reaction, limits: ReactionLimits): number {
  const { call } = reaction;
  const lockMs = reaction.lock === undefined ? 0 : limits.lockTimeoutMs;
  if (call === undefined) return limits.stepTimeoutMs + lockMs;
  const rounds = Math.ceil(limits.concurrencyMax / limits.callConcurrencyMax[call.name]);
  return rounds * call.timeoutMs + limits.stepTimeoutMs + lockMs;
}
