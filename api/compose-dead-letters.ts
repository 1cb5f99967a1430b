import type { Clock } from '../core/clock.ts';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import { ClassifiedError, classified } from '../core/errors.ts';
import type { Connections } from '../runtime/connections.ts';
import { countLetters } from '../runtime/dead-letters/count-letters.ts';
import { giveBackTo } from '../runtime/dead-letters/give-back.ts';
import { inboxMemory } from '../runtime/dead-letters/inbox-memory.ts';
import { UNHANDLED } from '../runtime/dead-letters/letter-filter.ts';
import type { GroupQueue } from '../runtime/dead-letters/letter-queues.ts';
import { isGroupQueue } from '../runtime/dead-letters/letter-queues.ts';
import { deadLettersOf } from '../runtime/dead-letters/open-dead-letters.ts';
import { replayLetters } from '../runtime/dead-letters/replay.ts';
import { selectLetters, TooManyLetters } from '../runtime/dead-letters/select-letters.ts';
import { OperatorRequests } from '../runtime/postgres/operator-requests.ts';
import type { DeadLetterQueues, ReprocessOutcome, ReprocessRequest } from './ports.ts';

/** A request must be answered in time: who has more letters than can be read in it uses the command line. */
const READ_MS = 20_000;
/** Longer than a request can take: who died leaves its key to the next one after this. */
const CLAIM_MS = 60_000;
const DETAIL = 'by POST /admin/dlq/reprocess';

export function composeDeadLetters(pipeline: PipelineDefinition, connections: Connections, clock: Clock): DeadLetterQueues {
  const { queues, log, states } = deadLettersOf(pipeline, connections);
  const requests = new OperatorRequests(connections.platform());

  async function replay(queue: GroupQueue, { errorCode, actor }: ReprocessRequest, limit: number, detail: string): Promise<number> {
    const signal = AbortSignal.timeout(READ_MS);
    const selection = await selectLetters(
      log,
      [queue],
      { code: errorCode, states: UNHANDLED },
      { limit, inboxMemory: inboxMemory(connections), acceptDoubleEffects: false, signal },
    ).catch((thrown: unknown) => {
      if (!signal.aborted) throw thrown;
      throw new ClassifiedError('KAFKA_UNAVAILABLE', 'the queue could not be read in time', { cause: thrown });
    });
    const options = { letters: log.fetcher(), states, giveBack: giveBackTo(connections), clock, actor, signal, detail, force: false };
    return (await replayLetters(selection.chosen, options)).replayed;
  }

  async function replayOnce(queue: GroupQueue, request: ReprocessRequest): Promise<ReprocessOutcome> {
    const { idempotencyKey: key, requestHash, count } = request;
    if (key === undefined) return { kind: 'reprocessed', letters: await replay(queue, request, count, DETAIL), isRepeated: false };
    const claim = await requests.claim(key, requestHash, CLAIM_MS);
    if (claim.kind === 'answered') return { kind: 'reprocessed', letters: Number(claim.answer), isRepeated: true };
    if (claim.kind !== 'claimed') return claim;
    // The audit row of a letter is written with its mark: what a request did that was cut off counts, and is not done again.
    const detail = `${DETAIL}, request ${claim.requestId}`;
    try {
      const done = claim.isFirst ? 0 : await requests.replayedWith(detail);
      const letters = done + (done < count ? await replay(queue, request, count - done, detail) : 0);
      await requests.answer(key, letters);
      return { kind: 'reprocessed', letters, isRepeated: false };
    } catch (thrown) {
      // The claim ends by itself; until then the same request is told that it is in progress.
      await requests.release(key).catch((error: unknown) => {
        const failure = classified(error, 'UNCLASSIFIED', 'the claim of a reprocessing could not be given back');
        connections.logger.warn({ 'error.code': failure.code }, failure.message, failure);
      });
      throw thrown;
    }
  }

  return {
    async list() {
      const counts = await countLetters(connections.logReader(), states, queues);
      return counts.queues.map(({ queue, open, archived }) => ({
        ...{ queue: queue.topic, group: queue.group, replayable: isGroupQueue(queue), open, archived },
      }));
    },

    async reprocess(request) {
      const queue = queues.find((each) => each.topic === request.queue);
      if (queue === undefined) return { kind: 'unknown-queue' };
      if (!isGroupQueue(queue)) return { kind: 'not-replayable' };
      try {
        return await replayOnce(queue, request);
      } catch (thrown) {
        if (thrown instanceof TooManyLetters) return { kind: 'too-many' };
        throw thrown;
      }
    },
  };
}
