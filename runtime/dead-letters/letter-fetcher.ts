import type { LogReader, LogSlice, TopicFacts } from '../../core/log-reader.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import type { FoundLetter } from './found-letter.ts';
import type { LetterQueue } from './letter-queues.ts';
import type { LetterPlace } from './letter.ts';
import { formatPlace, readLetter } from './letter.ts';
import type { LetterStates } from './letter-states.ts';

export interface LetterAddress {
  readonly queue: LetterQueue;
  readonly place: LetterPlace;
  /** Of the topic in which it was seen; a letter of another one is another letter. Left out: the topic as it is now. */
  readonly topicId?: string | undefined;
}

/** A slice is what a broker answers at once: a few megabytes at most. */
const SLICES_MAX = 8;

/** Reads single letters again, and keeps the last slices in hand: letters that are asked for together mostly lie together. */
export class LetterFetcher {
  private readonly reader: LogReader;
  private readonly states: LetterStates;
  /** By partition; the one that was used last is at the end. */
  private readonly slices = new Map<string, LogSlice>();

  constructor(reader: LogReader, states: LetterStates) {
    this.reader = reader;
    this.states = states;
  }

  /** In the given order, with their states; those that are gone are left out. */
  async fetch(addresses: readonly LetterAddress[]): Promise<readonly FoundLetter[]> {
    const { topics } = await this.reader.describe([...new Set(addresses.map(({ queue }) => queue.topic))]);
    const found: Omit<FoundLetter, 'state'>[] = [];
    for (const { queue, place, topicId } of addresses) {
      const facts = topics.find(({ topic }) => topic === queue.topic);
      if (facts === undefined || (topicId !== undefined && topicId !== facts.id)) continue;
      const record = await this.record(facts, place);
      if (record !== undefined) found.push({ letter: readLetter(record), topicId: facts.id, group: queue.group, queue });
    }
    const states = await this.states.of(found);
    return found.map((each) => ({ ...each, state: states.get(formatPlace(each.letter.place)) ?? 'open' }));
  }

  private async record(facts: TopicFacts, place: LetterPlace): Promise<ConsumedRecord | undefined> {
    const name = `${facts.id}/${place.partition}`;
    const known = recordIn(this.slices.get(name), place);
    if (known !== undefined) return known;
    const partition = facts.partitions.find((each) => each.partition === place.partition);
    if (partition === undefined || place.offset < partition.earliest || place.offset >= partition.end) return undefined;
    const slice = await this.reader.read(partition, place.offset);
    this.slices.delete(name);
    this.slices.set(name, slice);
    const oldest = this.slices.keys().next();
    if (this.slices.size > SLICES_MAX && oldest.done !== true) this.slices.delete(oldest.value);
    return recordIn(slice, place);
  }
}

function recordIn(slice: LogSlice | undefined, { offset }: LetterPlace): ConsumedRecord | undefined {
  const [first] = slice?.records ?? [];
  if (slice === undefined || first === undefined || offset < first.offset || offset >= slice.next) return undefined;
  return slice.records.find((record) => record.offset === offset);
}
