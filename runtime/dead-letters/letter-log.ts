import type { LogReader, PartitionOffsets } from '../../core/log-reader.ts';
import type { Offset } from '../../core/offset.ts';
import { offset } from '../../core/offset.ts';
import { slicesUpTo } from '../../core/whole-log.ts';
import type { FoundLetter } from './found-letter.ts';
import { LetterFetcher } from './letter-fetcher.ts';
import type { LetterFilter } from './letter-filter.ts';
import { matchesLetter, matchesState } from './letter-filter.ts';
import type { LetterQueue } from './letter-queues.ts';
import { readLetter } from './letter.ts';
import type { LetterStates } from './letter-states.ts';

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Records looked at so far, and how many there are to look at. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

interface Span {
  readonly queue: LetterQueue;
  readonly topicId: string;
  readonly partition: PartitionOffsets;
  readonly from: Offset;
}

/**
 * The letters of dead-letter topics together with what became of them. Reads the topics up to the ends that they have at the
 * beginning, and holds one answer of the broker at a time. Rejects with KAFKA_UNAVAILABLE, POSTGRES_UNAVAILABLE, or the signal's reason.
 */
export class LetterLog {
  private readonly reader: LogReader;
  private readonly states: LetterStates;

  constructor(reader: LogReader, states: LetterStates) {
    this.reader = reader;
    this.states = states;
  }

  /** By topic, partition and offset. */
  async *read(queues: readonly LetterQueue[], filter: LetterFilter, options: ReadOptions = {}): AsyncGenerator<FoundLetter> {
    const spans = await this.spans(queues, filter);
    const total = spans.reduce((sum, { partition, from }) => sum + Number(partition.end - from), 0);
    let before = 0;
    for (const span of spans) {
      const done = (next: Offset): void => options.onProgress?.(before + Number(next - span.from), total);
      yield* this.readSpan(span, filter, options.signal, done);
      before += Number(span.partition.end - span.from);
    }
  }

  /** For reading single letters again; it holds a few answers of the broker. */
  fetcher(): LetterFetcher {
    return new LetterFetcher(this.reader, this.states);
  }

  private async spans(queues: readonly LetterQueue[], filter: LetterFilter): Promise<readonly Span[]> {
    const { topics } = await this.reader.describe(queues.map(({ topic }) => topic));
    const spans: Span[] = [];
    for (const queue of queues) {
      const facts = topics.find(({ topic }) => topic === queue.topic);
      if (facts === undefined) continue;
      const since = filter.writtenFromMs === undefined ? undefined : await this.reader.offsetsSince(queue.topic, filter.writtenFromMs);
      for (const partition of facts.partitions) {
        // A partition that is left out has nothing of that time or later.
        const first = since === undefined ? partition.earliest : since.find((each) => each.partition === partition.partition)?.offset;
        if (first !== undefined && first < partition.end) spans.push({ queue, topicId: facts.id, partition, from: first });
      }
    }
    return spans;
  }

  private async *readSpan(
    { queue, topicId, partition, from }: Span,
    filter: LetterFilter,
    signal: AbortSignal | undefined,
    done: (next: Offset) => void,
  ): AsyncGenerator<FoundLetter> {
    for await (const { records, next } of slicesUpTo(this.reader, partition, from, partition.end)) {
      signal?.throwIfAborted();
      const letters = records
        .filter((record) => record.offset < partition.end)
        .map(readLetter)
        .filter((letter) => matchesLetter(letter, filter));
      const [first, last] = [letters[0], letters.at(-1)];
      if (first !== undefined && last !== undefined) {
        const span = { topicId, partition: partition.partition, from: first.place.offset, to: offset(last.place.offset + 1n) };
        const states = await this.states.between(span);
        for (const letter of letters) {
          const state = states.get(letter.place.offset) ?? 'open';
          if (matchesState(state, filter)) yield { letter, topicId, group: queue.group, queue, state };
        }
      }
      done(next < partition.end ? next : partition.end);
    }
  }
}
