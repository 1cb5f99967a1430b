import type { Clock } from '../core/clock.ts';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import { ClassifiedError } from '../core/errors.ts';
import type { Connections } from '../runtime/connections.ts';
import { countLetters } from '../runtime/dead-letters/count-letters.ts';
import { giveBackTo } from '../runtime/dead-letters/give-back.ts';
import { UNHANDLED } from '../runtime/dead-letters/letter-filter.ts';
import { isGroupQueue } from '../runtime/dead-letters/letter-queues.ts';
import { deadLettersOf } from '../runtime/dead-letters/open-dead-letters.ts';
import { replayLetters } from '../runtime/dead-letters/replay.ts';
import { selectLetters } from '../runtime/dead-letters/select-letters.ts';
import { INBOX_RETENTION_MS } from '../runtime/postgres/inbox-retention.ts';
import type { DeadLetterQueues } from './ports.ts';

/** A request must be answered in time: who has more letters than can be read in it uses the command line. */
const READ_MS = 20_000;

export function composeDeadLetters(pipeline: PipelineDefinition, connections: Connections, clock: Clock): DeadLetterQueues {
  const { queues, log, states } = deadLettersOf(pipeline, connections);
  return {
    async list() {
      const counts = await countLetters(connections.logReader(), states, queues);
      return counts.queues.map(({ queue, open, archived }) => ({
        ...{ queue: queue.topic, group: queue.group, replayable: isGroupQueue(queue), open, archived },
      }));
    },

    async reprocess({ queue: topic, count, errorCode, actor }) {
      const queue = queues.find((each) => each.topic === topic);
      if (queue === undefined) return { kind: 'unknown-queue' };
      if (!isGroupQueue(queue)) return { kind: 'not-replayable' };
      const signal = AbortSignal.timeout(READ_MS);
      const selection = await selectLetters(
        log,
        [queue],
        { code: errorCode, states: UNHANDLED },
        { limit: count, nowMs: clock.nowMs(), inboxRetentionMs: INBOX_RETENTION_MS, acceptDoubleEffects: false, signal },
      ).catch((thrown: unknown) => {
        if (!signal.aborted) throw thrown;
        throw new ClassifiedError('KAFKA_UNAVAILABLE', 'the queue could not be read in time', { cause: thrown });
      });
      const { replayed } = await replayLetters(selection.chosen, {
        ...{ letters: log.fetcher(), states, giveBack: giveBackTo(connections), clock, actor, signal },
        detail: 'by POST /admin/dlq/reprocess',
        force: false,
      });
      return { kind: 'reprocessed', letters: replayed };
    },
  };
}
