import { Option } from 'commander';
import { ArchivedLetters, archiveStates } from '../runtime/dead-letters/archived-letters.ts';
import type { LetterFetcher } from '../runtime/dead-letters/letter-fetcher.ts';
import type { LetterLog } from '../runtime/dead-letters/letter-log.ts';
import type { DeadLetters } from '../runtime/dead-letters/open-dead-letters.ts';
import type { ReplayOptions } from '../runtime/dead-letters/replay.ts';

export interface ArchiveOptions {
  readonly fromArchive?: string;
}

export function archiveOption(): Option {
  return new Option('--from-archive <path>', 'letters of this archive file, or of the files of this folder, instead of those in Kafka');
}

/** Where letters are read, and who knows what became of them. */
export interface LetterSource {
  readonly log: Pick<LetterLog, 'read'> & { fetcher(): Pick<LetterFetcher, 'fetch'> };
  readonly states: ReplayOptions['states'];
}

export function sourceOf({ log, states }: Pick<DeadLetters, 'log' | 'states'>, { fromArchive }: ArchiveOptions): LetterSource {
  if (fromArchive === undefined) return { log, states };
  return { log: new ArchivedLetters(fromArchive, states), states: archiveStates(states) };
}
