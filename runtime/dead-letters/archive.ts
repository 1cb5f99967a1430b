import { join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import type { LogReader, PartitionOffsets } from '../../core/log-reader.ts';
import { maxOffset, offset } from '../../core/offset.ts';
import type { Offset } from '../../core/offset.ts';
import type { Database, Session } from '../postgres/database.ts';
import { archiveLine, writeArchiveFile } from './archive-file.ts';
import type { LetterQueue } from './letter-queues.ts';
import type { Letter } from './letter.ts';
import { formatPlace, readLetter } from './letter.ts';
import type { LetterStates } from './letter-states.ts';

export interface ArchiveOptions {
  readonly reader: LogReader;
  readonly states: LetterStates;
  readonly platform: Database;
  /** Where the files go; one folder for all processes that archive. */
  readonly folder: string;
  /** A letter that nobody has handled is archived when it is so old, in milliseconds. */
  readonly afterMs: number;
  readonly clock: Clock;
  /** For tests that stop between the file and the database. */
  readonly failpoint?: (label: 'file-written') => Promise<void>;
}

const ACTOR = 'archive';

/** One stretch of a partition: what one answer of the broker holds of one day. */
interface Stretch {
  readonly cursor: Offset;
  /** Where the next one begins. */
  readonly next: Offset;
  readonly letters: readonly Letter[];
}

/**
 * Brings letters that nobody has handled in time into files: one file for each stretch of a partition, named after the place
 * at which it begins, under the topic and the day (UTC) on which its letters were written. The file is written first, and then the
 * letters are marked and the place is moved, in one transaction: after a crash in between, the same stretch replaces the same
 * file. So each letter is in one file, whoever archives, and however often it is interrupted.
 */
export class LetterArchive {
  private readonly options: ArchiveOptions;

  constructor(options: ArchiveOptions) {
    this.options = options;
  }

  /** Returns how many letters it archived. Rejects with the error of the server that is away, or of the folder. */
  async pass(queues: readonly LetterQueue[], signal: AbortSignal): Promise<number> {
    const { topics } = await this.options.reader.describe(queues.map(({ topic }) => topic));
    let archived = 0;
    for (const { topic, id, partitions } of topics) {
      const queue = queues.find((each) => each.topic === topic);
      if (queue === undefined) continue;
      for (const partition of partitions) {
        for (let count = await this.stretch(queue, id, partition); count !== undefined; count = await this.stretch(queue, id, partition)) {
          archived += count;
          if (signal.aborted) return archived;
        }
      }
    }
    return archived;
  }

  /** The letters that were archived, or undefined when there is nothing left to do in the partition. */
  private async stretch(queue: LetterQueue, topicId: string, partition: PartitionOffsets): Promise<number | undefined> {
    const stretch = await this.read(topicId, partition);
    if (stretch === undefined) return undefined;
    return this.options.states.decide(queue.group, async (session) => this.archive(session, queue, topicId, partition, stretch));
  }

  private async read(topicId: string, partition: PartitionOffsets): Promise<Stretch | undefined> {
    const { reader, afterMs, clock } = this.options;
    const cursor = await this.cursor(topicId, partition);
    const from = maxOffset(cursor, partition.earliest);
    if (from >= partition.end) return undefined;
    const { records } = await reader.read(partition, from);
    const oldEnoughMs = clock.nowMs() - afterMs;
    const [first] = records;
    if (first === undefined || first.timestampMs > oldEnoughMs) return undefined;
    const day = dayOf(first.timestampMs);
    const end = records.findIndex(({ timestampMs }) => timestampMs > oldEnoughMs || dayOf(timestampMs) !== day);
    const letters = (end < 0 ? records : records.slice(0, end)).map(readLetter);
    const last = letters.at(-1);
    return last === undefined ? undefined : { cursor, next: offset(last.place.offset + 1n), letters };
  }

  /** Where the next stretch begins: durable before anything is written by its name. */
  private async cursor(topicId: string, { topic, partition, earliest }: PartitionOffsets): Promise<Offset> {
    const [row] = await this.options.platform.query<{ next_offset: Offset }>(
      `INSERT INTO millrace.dead_letter_archives AS a (topic_id, topic, partition, next_offset) VALUES ($1, $2, $3, $4)
       ON CONFLICT (topic_id, partition) DO UPDATE SET next_offset = a.next_offset RETURNING next_offset`,
      [topicId, topic, partition, earliest],
    );
    return row?.next_offset ?? earliest;
  }

  private async archive(
    session: Session,
    queue: LetterQueue,
    topicId: string,
    { topic, partition }: PartitionOffsets,
    { cursor, next, letters }: Stretch,
  ): Promise<number> {
    const moved = await session.execute(
      'UPDATE millrace.dead_letter_archives SET next_offset = $4 WHERE topic_id = $1 AND partition = $2 AND next_offset = $3',
      [topicId, partition, cursor, next],
    );
    // Another process was faster.
    if (moved === 0) return 0;
    const addressed = letters.map((letter) => ({ letter, topicId, group: queue.group }));
    const states = await this.options.states.of(addressed, session);
    const open = addressed.filter(({ letter }) => !states.has(formatPlace(letter.place)));
    const first = letters[0];
    if (open.length === 0 || first === undefined) return 0;
    const name = `${partition}-${cursor}-${topicId.replaceAll(/[^A-Za-z0-9]/g, '').slice(0, 8)}.ndjson`;
    const path = join(this.options.folder, topic, dayOf(first.writtenAtMs), name);
    await writeArchiveFile(
      path,
      open.map(({ letter }) => archiveLine(letter, topicId)),
    );
    await this.options.failpoint?.('file-written');
    await this.options.states.settle(session, open, { state: 'archived', actor: ACTOR, detail: path });
    return open.length;
  }
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
