import type { PipelineDefinition } from '../../core/define-pipeline.ts';
import type { Connections } from '../connections.ts';
import type { GroupQueue } from '../dead-letters/letter-queues.ts';
import { isGroupQueue, letterQueues } from '../dead-letters/letter-queues.ts';
import type { ParkedFailure } from '../parked-operations.ts';
import { eachParkingDatabase } from '../parked-operations.ts';
import type { ParkedFilter } from '../postgres/parked-filter.ts';
import type { ParkedCursor, ParkedEntry } from '../postgres/parked-list.ts';
import { readParked } from '../postgres/parked-list.ts';
import type { Rehearsal } from './rehearsal.ts';
import { Rehearsals } from './rehearsals.ts';

/** What a retry would do with a parked record. */
export type ParkedRehearsal =
  | Rehearsal
  /** It is not retried: its event is older than the inbox remembers. */
  | { readonly kind: 'refused' }
  /** The pipeline has no such group: nobody would handle it. */
  | { readonly kind: 'no-group' };

export interface RehearseParkedOptions {
  /** Records at most. */
  readonly limit: number;
  readonly acceptDoubleEffects: boolean;
  /** Declared calls are really made. */
  readonly withCalls: boolean;
  readonly signal: AbortSignal;
  readonly show: (entry: ParkedEntry, rehearsal: ParkedRehearsal) => void;
}

/** Read with their bodies at once. */
const PAGE = 20;

/**
 * Runs the handler of each group on its parked records that a retry would touch, and leaves nothing behind: none is retried.
 * Each is rehearsed alone. Resolves with the databases that could not be asked; what was shown until then is so.
 */
export async function rehearseParked(
  pipeline: PipelineDefinition,
  connections: Connections,
  filter: ParkedFilter,
  options: RehearseParkedOptions,
): Promise<readonly ParkedFailure[]> {
  const { limit, withCalls, acceptDoubleEffects, signal, show } = options;
  const rehearsals = new Rehearsals({ pipeline, connections, withCalls });
  const queues = queuesByGroup(pipeline, connections);
  let left = limit;
  try {
    return await eachParkingDatabase(pipeline, connections, filter.group, async (database) => {
      let after: ParkedCursor | undefined;
      while (left > 0 && !isAborted(signal)) {
        const pageMax = Math.min(PAGE, left);
        const { found, last } = await readParked(database, database.domain, filter, { of: 'retry', after, limit: pageMax });
        for (const { entry, record } of found) {
          if (isAborted(signal)) return;
          left -= 1;
          const queue = queues.get(entry.group);
          if (queue === undefined) show(entry, { kind: 'no-group' });
          else if (entry.isOlderThanInbox && !acceptDoubleEffects) show(entry, { kind: 'refused' });
          else show(entry, await (await rehearsals.of(queue)).rehearse(record));
        }
        if (found.length < pageMax) return;
        after = last;
      }
    });
  } finally {
    await rehearsals.stop();
  }
}

function queuesByGroup(pipeline: PipelineDefinition, { config }: Connections): ReadonlyMap<string, GroupQueue> {
  return new Map(
    letterQueues(pipeline, config.names)
      .filter(isGroupQueue)
      .map((queue) => [queue.group, queue]),
  );
}

/** It may change while something is awaited. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
