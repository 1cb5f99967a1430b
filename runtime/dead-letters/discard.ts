import type { BrokerAdmin } from '../../core/broker.ts';
import { UNHANDLED } from './letter-filter.ts';
import type { LetterFilter } from './letter-filter.ts';
import type { FoundLetter } from './found-letter.ts';
import type { LetterLog, ReadOptions } from './letter-log.ts';
import type { LetterQueue } from './letter-queues.ts';
import type { LetterPlace } from './letter.ts';
import { formatPlace } from './letter.ts';
import type { LetterStates } from './letter-states.ts';

export interface DiscardOptions extends ReadOptions {
  readonly log: LetterLog;
  readonly states: LetterStates;
  readonly actor: string;
  readonly detail?: string | undefined;
  /** How many are marked by now, after each batch: what an interrupted one has done. */
  readonly onDiscarded?: (sum: number) => void;
}

const BATCH_MAX = 500;

/**
 * Marks the letters that fit and that nobody has handled as needing no handling, with an audit row each; they stay in Kafka.
 * Returns how many. When it is interrupted what was marked stays so, and the next run goes on.
 */
export async function discardLetters(queues: readonly LetterQueue[], filter: LetterFilter, options: DiscardOptions): Promise<number> {
  let discarded = 0;
  let batch: FoundLetter[] = [];
  const settleBatch = async (): Promise<void> => {
    discarded += await discardBatch(batch, options);
    batch = [];
    options.onDiscarded?.(discarded);
  };
  for await (const found of options.log.read(queues, { ...filter, states: UNHANDLED }, options)) {
    if (batch.length >= BATCH_MAX || (batch[0] !== undefined && batch[0].group !== found.group)) await settleBatch();
    batch.push(withoutContent(found));
  }
  await settleBatch();
  return discarded;
}

/** What is settled needs no payload: a batch must not hold those of many slices. */
function withoutContent(found: FoundLetter): FoundLetter {
  return { ...found, letter: { ...found.letter, key: null, value: null, headers: [] } };
}

async function discardBatch(batch: readonly FoundLetter[], { states, actor, detail }: DiscardOptions): Promise<number> {
  const group = batch[0]?.group;
  if (group === undefined) return 0;
  return states.decide(group, async (session) => {
    const now = await states.of(batch, session);
    const open = batch.filter(({ letter }) => UNHANDLED.includes(now.get(formatPlace(letter.place)) ?? 'open'));
    await states.settle(session, open, { state: 'discarded', actor, detail });
    return open.length;
  });
}

/**
 * Removes the letters of one partition below a place from Kafka, for good, the handled ones included. Those that nobody has
 * handled are discarded first, so that the audit names each; returns how many those were.
 */
export async function deleteLettersBefore(
  queue: LetterQueue,
  before: LetterPlace,
  admin: Pick<BrokerAdmin, 'deleteRecords'>,
  options: DiscardOptions,
): Promise<number> {
  const discarded = await discardLetters([queue], { before }, options);
  await admin.deleteRecords([before]);
  return discarded;
}
