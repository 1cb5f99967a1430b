import type { RedisMutation, RedisProjection } from '../../core/define-projection.ts';
import type { EventRecord } from '../../core/envelope.ts';
import { ClassifiedError } from '../../core/errors.ts';

/**
 * What an event does to the projection's documents; nothing when the projection does not read it. Checked, so that one
 * event's fault cannot fail the others that share its script.
 * @throws ClassifiedError DOCUMENT_INVALID
 */
export function mutationsOf(projection: RedisProjection, event: EventRecord): readonly RedisMutation[] {
  if (!projection.reads.some(({ type }) => type === event.type)) return [];
  let mutations: readonly RedisMutation[];
  try {
    mutations = projection.mutations(event);
  } catch (error) {
    throw new ClassifiedError('DOCUMENT_INVALID', `projection ${projection.name} threw on ${event.type}`, { cause: error });
  }
  for (const mutation of mutations) {
    const fault = faultOf(mutation, projection.structure);
    if (fault !== undefined) throw new ClassifiedError('DOCUMENT_INVALID', `projection ${projection.name}: ${fault}`);
  }
  return mutations;
}

/** The mutations of one document in its history; what belongs to other documents is left out. */
export function mutationsOfHistory(projection: RedisProjection, key: string, events: readonly EventRecord[]): readonly RedisMutation[] {
  return events.flatMap((event) => mutationsOf(projection, event).filter((mutation) => mutation.key === key));
}

const STRUCTURE_OF = { put: 'hash', drop: 'hash', count: 'zset', keep: 'string' } as const;

function faultOf(mutation: RedisMutation, structure: RedisProjection['structure']): string | undefined {
  if (STRUCTURE_OF[mutation.op] !== structure) return `${mutation.op} does not fit a ${structure}`;
  if (mutation.version < 1n) return 'the version is below 1';
  if (mutation.op === 'keep') return Number.isSafeInteger(mutation.untilMs) ? undefined : 'the end is no whole number of milliseconds';
  if (mutation.op === 'count') return Number.isFinite(mutation.by) ? undefined : 'the increment is not a number';
  // `_` and `_v:…` are the mark and the versions.
  return mutation.field.startsWith('_') ? 'a field may not begin with an underscore' : undefined;
}
