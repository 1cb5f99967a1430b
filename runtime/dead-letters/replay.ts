import type { Clock } from '../../core/clock.ts';
import { withFormerLife } from '../processing/former-life.ts';
import { pause } from '../processing/pause.ts';
import type { LetterFetcher } from './letter-fetcher.ts';
import { UNHANDLED } from './letter-filter.ts';
import type { GroupQueue } from './letter-queues.ts';
import type { Letter } from './letter.ts';
import { formatPlace, originalRecord } from './letter.ts';
import type { LetterStates } from './letter-states.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import type { ChosenLetter } from './select-letters.ts';

/**
 * Gives the records of letters back to one group, in the given order, durably: each is handled after those of its key that wait already,
 * and before those that come later. One that waits there already (by topic, partition and offset) goes on in its place, and is not
 * given twice.
 */
export type GiveBack = (queue: GroupQueue, letters: readonly Letter[]) => Promise<void>;

export interface ReplayOptions {
  readonly letters: Pick<LetterFetcher, 'fetch'>;
  readonly states: Pick<LetterStates, 'decide' | 'of' | 'settle'>;
  readonly giveBack: GiveBack;
  readonly clock: Clock;
  readonly actor: string;
  readonly detail?: string | undefined;
  /** Letters that were replayed or discarded before are replayed again. */
  readonly force: boolean;
  /** Letters per second at most. */
  readonly ratePerSecond?: number | undefined;
  /** Aborted: what is begun is finished, and the rest stays as it is. */
  readonly signal: AbortSignal;
  readonly onReplayed?: (replayed: number, of: number) => void;
}

export interface ReplayReport {
  readonly replayed: number;
  /** Somebody else handled them meanwhile, or they are gone from their topic. */
  readonly passedOver: number;
  readonly interrupted: boolean;
}

/** One transaction each: its locks are held for milliseconds, and an interruption costs at most this many repetitions. */
const BATCH_MAX = 100;

/**
 * Replays letters to their groups, in their order. For each batch: read the letters, then under the group's lock see which ones
 * are still to be replayed, give their records back to the group, and settle them with an audit row. Two databases cannot commit
 * together: records are durable first, marks second, because a mark without its record would be a letter lost. When the process dies in
 * between, or the commit of the marks fails, records are given back that are not settled and not audited; the next replay gives them again,
 * which changes nothing while they wait, and finds them handled by the inbox when they do not. Rejects with the error of the server that is away; what was settled stays so.
 */
export async function replayLetters(chosen: readonly ChosenLetter[], options: ReplayOptions): Promise<ReplayReport> {
  const { signal, clock, ratePerSecond, onReplayed } = options;
  const batchMax = Math.min(BATCH_MAX, ratePerSecond ?? BATCH_MAX);
  const startedMs = clock.monotonicMs();
  let [replayed, next] = [0, 0];
  while (next < chosen.length && !signal.aborted) {
    const batch = batchFrom(chosen, next, batchMax);
    replayed += await replayBatch(batch, options);
    next += batch.length;
    onReplayed?.(replayed, chosen.length);
    if (ratePerSecond === undefined || next >= chosen.length) continue;
    const dueMs = startedMs + (next / ratePerSecond) * 1_000;
    await pause(clock, Math.max(0, dueMs - clock.monotonicMs()), signal);
  }
  return { replayed, passedOver: next - replayed, interrupted: next < chosen.length };
}

/** The next ones, of one group. */
function batchFrom(chosen: readonly ChosenLetter[], from: number, max: number): readonly ChosenLetter[] {
  const group = chosen[from]?.queue.group;
  const batch = chosen.slice(from, from + max);
  const end = batch.findIndex(({ queue }) => queue.group !== group);
  return end < 0 ? batch : batch.slice(0, end);
}

async function replayBatch(batch: readonly ChosenLetter[], options: ReplayOptions): Promise<number> {
  const { states, letters, giveBack, actor, detail, force } = options;
  const queue = batch[0]?.queue;
  if (queue === undefined) return 0;
  // Before the lock: every letter may cost a wait for the broker, and a transaction that idles so long is ended by the server.
  const found = await letters.fetch(batch);
  return states.decide(queue.group, async (session) => {
    const now = await states.of(found, session);
    const open = found.filter(({ letter }) => force || UNHANDLED.includes(now.get(formatPlace(letter.place)) ?? 'open'));
    await giveBack(
      queue,
      open.map(({ letter }) => letter),
    );
    await states.settle(session, open, { state: 'replayed', actor, detail });
    return open.length;
  });
}

/** The record as it was, and behind its headers what it has been since. */
export function replayedRecord(letter: Letter): ConsumedRecord | undefined {
  const record = originalRecord(letter);
  if (record === undefined) return undefined;
  const life = {
    letter: letter.replayOf ?? formatPlace(letter.place),
    replays: letter.replays + 1,
    firstFailedAt: letter.firstFailedAt ?? new Date(letter.writtenAtMs).toISOString(),
    firstErrorCode: letter.firstErrorCode ?? letter.errorCode,
  };
  return { ...record, headers: withFormerLife(record.headers, life) };
}
