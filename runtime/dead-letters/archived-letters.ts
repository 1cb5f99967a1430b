import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassifiedError } from '../../core/errors.ts';
import type { ArchivedLetter } from './archive-file.ts';
import { parseArchiveLine } from './archive-file.ts';
import type { FoundLetter } from './found-letter.ts';
import type { LetterAddress } from './letter-fetcher.ts';
import type { LetterFilter } from './letter-filter.ts';
import { matchesLetter, matchesState } from './letter-filter.ts';
import type { ReadOptions } from './letter-log.ts';
import type { LetterQueue } from './letter-queues.ts';
import type { LetterState, LetterStates } from './letter-states.ts';
import type { Letter, LetterPlace } from './letter.ts';
import { formatPlace } from './letter.ts';
import type { ReplayOptions } from './replay.ts';

/** Where a letter's line is. */
interface LinePlace {
  readonly file: string;
  readonly start: number;
  readonly bytes: number;
}

type StatesOfArchive = Pick<LetterStates, 'decidedOf' | 'topicIdOf'>;

/** A record of a megabyte is 1.4 MB of base64; a line without an end is no archive. */
const LINE_BYTES_MAX = 64 * 1_048_576;
const STATES_AT_ONCE = 200;
const NEWLINE = 0x0a;

/**
 * The letters of archive files, as `LetterLog` has those of topics: to be chosen, looked at and given back although Kafka holds them no
 * more. What became of each is asked of the audit, which outlives the topics. Holds one line at a time, and of each letter that was
 * chosen its place. A letter that is in several files counts once.
 */
export class ArchivedLetters {
  private readonly path: string;
  private readonly states: StatesOfArchive;
  private readonly lines = new Map<string, LinePlace>();
  private readonly topicIds = new Map<string, string>();

  /** A file, or a folder whose `.ndjson` files are meant, in whatever depth. */
  constructor(path: string, states: StatesOfArchive) {
    this.path = path;
    this.states = states;
  }

  /**
   * By file and line. A letter of a topic that is not among the queues is left out.
   * Rejects with CONFIGURATION_INVALID naming file and line that are no archive, POSTGRES_UNAVAILABLE, or the signal's reason.
   */
  async *read(queues: readonly LetterQueue[], filter: LetterFilter, options: ReadOptions = {}): AsyncGenerator<FoundLetter> {
    let batch: Omit<FoundLetter, 'state'>[] = [];
    for (const file of await archiveFiles(this.path)) {
      for await (const { line, number, start, bytes } of linesOf(file)) {
        options.signal?.throwIfAborted();
        const archived = parsed(line, file, number);
        const queue = queues.find(({ topic }) => topic === archived.letter.place.topic);
        if (queue === undefined || !matchesLetter(archived.letter, filter)) continue;
        const topicId = await this.topicIdOf(archived, file);
        const name = nameOf(topicId, archived.letter.place);
        if (this.lines.has(name)) continue;
        this.lines.set(name, { file, start, bytes });
        const letter = { ...archived.letter, value: null, headers: [] };
        batch.push({ letter, topicId, group: queue.group, queue });
        if (batch.length < STATES_AT_ONCE) continue;
        yield* this.withStates(batch, filter);
        batch = [];
      }
    }
    yield* this.withStates(batch, filter);
  }

  /** For reading chosen letters again, with their content; those whose line is another one by now are left out. */
  fetcher(): { fetch(addresses: readonly LetterAddress[]): Promise<readonly FoundLetter[]> } {
    return {
      fetch: async (addresses) => {
        const found: Omit<FoundLetter, 'state'>[] = [];
        for (const { queue, place, topicId = '' } of addresses) {
          const at = this.lines.get(nameOf(topicId, place));
          const letter = at === undefined ? undefined : (await lineAt(at))?.letter;
          if (letter !== undefined && formatPlace(letter.place) === formatPlace(place))
            found.push({ letter, topicId, group: queue.group, queue });
        }
        const states = await this.states.decidedOf(found);
        return found.map((each) => ({ ...each, state: stateOf(each, states) }));
      },
    };
  }

  private async *withStates(batch: readonly Omit<FoundLetter, 'state'>[], filter: LetterFilter): AsyncGenerator<FoundLetter> {
    const states = await this.states.decidedOf(batch);
    for (const found of batch) {
      const state = stateOf(found, states);
      if (matchesState(state, filter)) yield { ...found, state };
    }
  }

  /** Files of before the line said it have the beginning of the id in their name. */
  private async topicIdOf({ letter, topicId }: ArchivedLetter, file: string): Promise<string> {
    if (topicId !== undefined) return topicId;
    const known = this.topicIds.get(file);
    if (known !== undefined) return known;
    const [, beginning = ''] = /-([A-Za-z0-9]{1,8})\.ndjson$/.exec(file) ?? [];
    const found = (await this.states.topicIdOf(letter.place.topic, beginning)) ?? `archive ${beginning}`;
    this.topicIds.set(file, found);
    return found;
  }
}

interface ArchiveRead {
  readonly path: string;
  readonly states: StatesOfArchive;
  readonly signal: AbortSignal;
}

/**
 * The letter of this place, with its content: one of each topic that has had the name. The whole archive is read for it, line by line.
 * Rejects as `ArchivedLetters.read` does.
 */
export async function findArchived(
  { path, states, signal }: ArchiveRead,
  queue: LetterQueue,
  place: LetterPlace,
): Promise<readonly FoundLetter[]> {
  const archive = new ArchivedLetters(path, states);
  const addresses: LetterAddress[] = [];
  for await (const { letter, topicId } of archive.read([queue], {}, { signal }))
    if (formatPlace(letter.place) === formatPlace(place)) addresses.push({ queue, place, topicId });
  return archive.fetcher().fetch(addresses);
}

/** The letters of the same event, with their content. */
export async function* archivedOfEvent(
  { path, states, signal }: ArchiveRead,
  { letter: of, queue, topicId: ofTopic }: FoundLetter,
): AsyncGenerator<Letter> {
  const archive = new ArchivedLetters(path, states);
  for await (const { letter, topicId } of archive.read([queue], {}, { signal })) {
    if (topicId !== ofTopic || letter.eventId !== of.eventId) continue;
    for (const found of await archive.fetcher().fetch([{ queue, place: letter.place, topicId }])) yield found.letter;
  }
}

/** For a replay: what is handled already is asked of the audit, under the group's lock. */
export function archiveStates(states: Pick<LetterStates, 'decide' | 'decidedOf' | 'settle'>): ReplayOptions['states'] {
  return {
    decide: (group, work) => states.decide(group, work),
    settle: (session, letters, decision) => states.settle(session, letters, decision),
    of: async (letters, session) => {
      const decided = await states.decidedOf(letters, session);
      const byPlace = new Map(
        letters.map(({ letter, topicId }) => [formatPlace(letter.place), decided.get(nameOf(topicId, letter.place))]),
      );
      // Of two topics that had one name: given back once more is found handled, passed over is lost.
      for (const { letter, topicId } of letters) if (!decided.has(nameOf(topicId, letter.place))) byPlace.delete(formatPlace(letter.place));
      return new Map([...byPlace].flatMap(([place, state]) => (state === undefined ? [] : [[place, state] as const])));
    },
  };
}

function stateOf({ letter, topicId }: Omit<FoundLetter, 'state'>, states: ReadonlyMap<string, LetterState>): LetterState {
  return states.get(nameOf(topicId, letter.place)) ?? 'archived';
}

/** As `decidedOf` names letters: of topics that had the same name the places are not enough. */
function nameOf(topicId: string, place: Parameters<typeof formatPlace>[0]): string {
  return `${topicId} ${formatPlace(place)}`;
}

/** @throws ClassifiedError CONFIGURATION_INVALID when there is no such file or folder, or no archive in it. */
async function archiveFiles(path: string): Promise<readonly string[]> {
  const facts = await stat(path).catch((error: unknown) => {
    const why = isMissing(error) ? 'there is no file or folder' : 'this file or folder cannot be read:';
    throw new ClassifiedError('CONFIGURATION_INVALID', `${why} ${path}`, { cause: error });
  });
  if (!facts.isDirectory()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ndjson'))
    .map(({ parentPath, name }) => join(parentPath, name));
  if (files.length === 0) throw new ClassifiedError('CONFIGURATION_INVALID', `the folder ${path} holds no archive (*.ndjson)`);
  return files.sort();
}

interface Line {
  readonly line: Buffer;
  /** From 1. */
  readonly number: number;
  readonly start: number;
  readonly bytes: number;
}

async function* linesOf(file: string): AsyncGenerator<Line> {
  let rest: Buffer = Buffer.alloc(0);
  let [start, number] = [0, 0];
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let held = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = held.indexOf(NEWLINE); end >= 0; end = held.indexOf(NEWLINE)) {
      number += 1;
      if (end > 0) yield { line: held.subarray(0, end), number, start, bytes: end };
      held = held.subarray(end + 1);
      start += end + 1;
    }
    if (held.length > LINE_BYTES_MAX) throw notAnArchive(file, number + 1);
    rest = held;
  }
  if (rest.length > 0) yield { line: rest, number: number + 1, start, bytes: rest.length };
}

async function lineAt({ file, start, bytes }: LinePlace): Promise<ArchivedLetter | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, start);
    return bytesRead === bytes ? parseArchiveLine(buffer.toString('utf8')) : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  } finally {
    await handle?.close();
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function parsed(line: Buffer, file: string, number: number): ArchivedLetter {
  const archived = parseArchiveLine(line.toString('utf8'));
  if (archived === undefined) throw notAnArchive(file, number);
  return archived;
}

/** Before anything was given back: whoever names a damaged archive should know it. Never with what the line holds. */
function notAnArchive(file: string, number: number): ClassifiedError {
  return new ClassifiedError('CONFIGURATION_INVALID', `${file}, line ${number}, is no archived letter: nothing was given back`);
}
