import type { LogReader, TopicFacts } from '../../core/log-reader.ts';
import type { Offset } from '../../core/offset.ts';
import { utf8Text } from '../../core/record.ts';
import { slicesUpTo } from '../../core/whole-log.ts';
import type { LetterQueue } from '../dead-letters/letter-queues.ts';
import type { LetterState, LetterStates } from '../dead-letters/letter-states.ts';
import type { Letter } from '../dead-letters/letter.ts';
import { formatPlace, keyText, readLetter } from '../dead-letters/letter.ts';
import type { DecisionOfFlow } from '../postgres/decisions-of-flow.ts';
import type { ParkedOfFlow, ParkedQuestion } from '../postgres/parked-of-flow.ts';
import { NAMING_HEADERS } from '../postgres/parked-of-flow.ts';
import type { ReadBudget } from './read-budget.ts';

/** A dead letter as the timeline of a flow shows it: without its value. */
export interface LetterOfFlow {
  readonly letter: Letter;
  /** Whose it is: a consumer group, or `capture.<domain>`. */
  readonly group: string;
  /** Undefined: what became of it could not be read. */
  readonly state: LetterState | undefined;
}

/** The records of a flow that their groups, or its capture, could not handle at once: processors and projections alike. */
export interface SetAside {
  readonly parked: readonly ParkedOfFlow[];
  readonly letters: readonly LetterOfFlow[];
  /** What people decided on them. */
  readonly decisions: readonly DecisionOfFlow[];
}

export interface LetterSources {
  readonly reader: LogReader;
  readonly queues: readonly LetterQueue[];
}

export interface FoundLetters {
  readonly letters: readonly (LetterOfFlow & { readonly topicId: string })[];
  /** False: there were more records than were to be read, or more letters than are shown. */
  readonly complete: boolean;
}

/** Letters of one question. */
const LETTERS_MAX = 200;

/**
 * The dead letters that say the id in their key or headers, or are of one of the events; in the order of topic and place. Reads
 * what the topics hold since then (milliseconds; undefined: all that they keep), within the budget. Rejects with KAFKA_UNAVAILABLE.
 */
export async function findLetters(
  { reader, queues }: LetterSources,
  question: ParkedQuestion,
  sinceMs: number | undefined,
  budget: ReadBudget,
): Promise<FoundLetters> {
  const { topics } = await reader.describe(queues.map(({ topic }) => topic));
  const found: (LetterOfFlow & { topicId: string })[] = [];
  const eventIds = new Set(question.eventIds);
  for (const facts of topics) {
    const queue = queues.find(({ topic }) => topic === facts.topic);
    if (queue === undefined || facts.partitions.every(({ earliest, end }) => earliest >= end)) continue;
    const starts = await startsOf(reader, facts, sinceMs);
    for (const partition of facts.partitions) {
      const from = starts.get(partition.partition);
      if (from === undefined || from >= partition.end) continue;
      for await (const { records } of slicesUpTo(reader, partition, from, partition.end)) {
        for (const record of records) {
          const letter = readLetter(record);
          if (!belongs(letter, question.id, eventIds)) continue;
          found.push({ letter: { ...letter, value: null }, group: queue.group, topicId: facts.id, state: undefined });
        }
        budget.records -= records.length;
        if (budget.records <= 0 || found.length >= LETTERS_MAX) return { letters: found.slice(0, LETTERS_MAX), complete: false };
      }
    }
  }
  return { letters: found, complete: true };
}

/** With what became of each. Rejects with POSTGRES_UNAVAILABLE. */
export async function withStates(letters: FoundLetters['letters'], states: Pick<LetterStates, 'of'>): Promise<FoundLetters['letters']> {
  if (letters.length === 0) return letters;
  const known = await states.of(letters);
  return letters.map((each) => ({ ...each, state: known.get(formatPlace(each.letter.place)) ?? 'open' }));
}

async function startsOf(reader: LogReader, facts: TopicFacts, sinceMs: number | undefined): Promise<ReadonlyMap<number, Offset>> {
  if (sinceMs === undefined) return new Map(facts.partitions.map(({ partition, earliest }) => [partition, earliest]));
  return new Map((await reader.offsetsSince(facts.topic, sinceMs)).map(({ partition, offset }) => [partition, offset]));
}

const NAMING: ReadonlySet<string> = new Set(NAMING_HEADERS);

/** Pure. */
export function belongs(letter: Letter, id: string, eventIds: ReadonlySet<string>): boolean {
  if (letter.eventId !== undefined && eventIds.has(letter.eventId)) return true;
  if (keyText(letter.key) === id) return true;
  return letter.headers.some(([name, value]) => value !== null && NAMING.has(name) && utf8Text(value) === id);
}
