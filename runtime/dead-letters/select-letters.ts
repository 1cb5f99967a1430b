import { ClassifiedError } from '../../core/errors.ts';
import { isOlderThanInbox } from '../postgres/inbox-horizon.ts';
import type { LetterFilter } from './letter-filter.ts';
import type { FoundLetter } from './found-letter.ts';
import type { LetterLog, ReadOptions } from './letter-log.ts';
import type { GroupQueue, LetterQueue } from './letter-queues.ts';
import { isGroupQueue } from './letter-queues.ts';
import type { LetterPlace, Origin } from './letter.ts';
import { inOrderOfOrigin } from './replay-order.ts';

/** A letter that is to be replayed: where it is, and which record it was. Its content is read again when its turn comes. */
export interface ChosenLetter {
  readonly place: LetterPlace;
  readonly topicId: string;
  readonly origin: Origin;
  readonly queue: GroupQueue;
}

/** Why a letter that fits the conditions is not replayed. */
export type Refusal =
  /** A row that never became a record: its domain has to write another one. */
  | 'capture'
  /** It does not say which record of this group it was: somebody else wrote it. */
  | 'foreign'
  /** The inbox may have forgotten whether its event was handled: its effect could come twice. */
  | 'older-than-inbox';

export interface Selection {
  /** In the order in which they are to be replayed: see replay-order.ts. Of one group each, group by group. */
  readonly chosen: readonly ChosenLetter[];
  readonly refused: Readonly<Partial<Record<Refusal, number>>>;
  /** Further letters that could be replayed as well: the limit left them out. */
  readonly more: number;
}

/** From which record timestamp on, in milliseconds since the epoch, the inbox of the domain remembers every event. */
export type InboxMemory = (domain: string) => Promise<number>;

export interface SelectOptions extends ReadOptions {
  /** Letters at most, the first ones of the order. */
  readonly limit: number;
  readonly inboxMemory: InboxMemory;
  readonly acceptDoubleEffects: boolean;
}

/** About 300 bytes each. */
const CHOSEN_MAX = 100_000;

/** More fit than can be put in order in memory: whoever asks has to choose. */
export class TooManyLetters extends ClassifiedError {
  constructor() {
    const message = `more than ${CHOSEN_MAX} letters fit, which are too many to be put in order at once; choose a group, a code or an age`;
    super('CONFIGURATION_INVALID', message);
  }
}

/**
 * Reads through the queues and chooses what can be replayed; holds no letter's content.
 * @throws TooManyLetters
 */
export async function selectLetters(
  log: Pick<LetterLog, 'read'>,
  queues: readonly LetterQueue[],
  filter: LetterFilter,
  options: SelectOptions,
): Promise<Selection> {
  const byGroup = new Map<string, ChosenLetter[]>();
  const refused: Partial<Record<Refusal, number>> = {};
  let count = 0;
  for await (const found of log.read(queues, filter, options)) {
    const refusal = refusalOf(found, { ...options, rememberedFromMs: await rememberedFrom(found, options) });
    if (refusal !== undefined) {
      refused[refusal] = (refused[refusal] ?? 0) + 1;
      continue;
    }
    const { letter, queue, topicId } = found;
    if (letter.origin === undefined || !isGroupQueue(queue)) continue;
    count += 1;
    if (count > CHOSEN_MAX) throw new TooManyLetters();
    const chosen = { place: letter.place, topicId, origin: letter.origin, queue };
    const known = byGroup.get(queue.group);
    if (known === undefined) byGroup.set(queue.group, [chosen]);
    else known.push(chosen);
  }
  const inOrder = [...byGroup.values()].flatMap((of) => inOrderOfOrigin(of));
  const chosen = inOrder.slice(0, options.limit);
  return { chosen, refused, more: inOrder.length - chosen.length };
}

/** Only what has letters is asked. */
async function rememberedFrom({ queue }: FoundLetter, { inboxMemory, acceptDoubleEffects }: SelectOptions): Promise<number> {
  return acceptDoubleEffects || queue.reader.kind !== 'processor' ? -Infinity : inboxMemory(queue.reader.domain.name);
}

/** What is decided from the letter alone; whether it is handled already is asked again when its turn comes. */
export function refusalOf(
  { letter, queue }: Pick<FoundLetter, 'letter' | 'queue'>,
  { rememberedFromMs, acceptDoubleEffects }: { readonly rememberedFromMs: number; readonly acceptDoubleEffects: boolean },
): Refusal | undefined {
  if (!isGroupQueue(queue)) return 'capture';
  const { origin, group } = letter;
  if (origin === undefined || origin.topic !== queue.source || group !== queue.group) return 'foreign';
  // A projection's documents remember every version that they hold, for as long as they live.
  if (acceptDoubleEffects || queue.reader.kind !== 'processor') return undefined;
  return isOlderThanInbox(origin.timestampMs, rememberedFromMs) ? 'older-than-inbox' : undefined;
}
