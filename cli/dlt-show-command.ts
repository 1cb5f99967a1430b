import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { letterPayload } from '../runtime/dead-letters/letter-payload.ts';
import type { Parts } from '../runtime/dead-letters/letter-parts.ts';
import { findParts, partsAmong } from '../runtime/dead-letters/letter-parts.ts';
import { archivedOfEvent, findArchived } from '../runtime/dead-letters/archived-letters.ts';
import type { Letter } from '../runtime/dead-letters/letter.ts';
import { parsePlace } from '../runtime/dead-letters/letter.ts';
import { createPayloads } from '../runtime/payloads.ts';
import { dataFolderOption } from './common-options.ts';
import { withLetters } from './dlt-options.ts';
import { shownLetterJson, shownLetterText } from './dlt-text.ts';
import { UsageError } from './exit.ts';
import type { ArchiveOptions } from './letter-source.ts';
import { archiveOption } from './letter-source.ts';

interface Options extends ArchiveOptions {
  readonly payloadTo?: string;
  readonly json?: true;
  readonly dataFolder: string;
}

/** `millrace dlt show` */
export function dltShowCommand(): Command {
  return new Command('show')
    .description('show one dead letter with headers, payload and what was done to it')
    .argument('<letter>', '<topic>/<partition>/<offset>, as `dlt list` prints it')
    .option('--payload-to <file>', 'also write the payload to a new file, byte for byte, for your eyes alone')
    .addOption(archiveOption())
    .option('--json', 'print one JSON object')
    .addOption(dataFolderOption())
    .addHelpText(
      'after',
      `
Shows the payload, decoded where that is possible: for operators. It is written nowhere else. What a capture had to keep in parts is put
together from all of them, whichever is named.

Examples:
  millrace dlt show events.scan.requested.processor.scan.dlt/2/17
  millrace dlt show capture.scan.dlt/0/3 --payload-to ./payload.json
  millrace dlt show events.scan.requested.processor.scan.dlt/2/17 --from-archive /archive`,
    )
    .action(async (text: string, options: Options) => show(text, options));
}

async function show(text: string, options: Options): Promise<void> {
  const place = parsePlace(text);
  if (place === undefined) throw new UsageError('the letter must be <topic>/<partition>/<offset>');
  await withLetters(options, async ({ letters, pipeline, signal }) => {
    const queue = letters.queues.find(({ topic }) => topic === place.topic);
    if (queue === undefined)
      throw new UsageError(`no such dead-letter topic\nTopics: ${letters.queues.map(({ topic }) => topic).join(', ')}`);
    const archive = options.fromArchive === undefined ? undefined : { path: options.fromArchive, states: letters.states, signal };
    const fetched =
      archive === undefined ? await letters.log.fetcher().fetch([{ queue, place }]) : await findArchived(archive, queue, place);
    const [found] = fetched;
    if (found === undefined)
      throw new Error(
        archive === undefined
          ? 'no letter is there: its topic keeps letters for 30 days; `--from-archive` looks into an archive'
          : 'the letter is not in this archive',
      );
    if (fetched.length > 1) console.error(`the archive has ${fetched.length} letters of that place: the topic was made anew; this is one`);
    const parts = await (archive === undefined
      ? findParts(letters.connections.logReader(), found.letter)
      : partsAmong(found.letter, archivedOfEvent(archive, found)));
    const letter = parts?.whole === undefined ? found.letter : { ...found.letter, value: parts.whole };
    if (options.payloadTo !== undefined) await writePayload(options.payloadTo, letter, parts);
    const { decoder } = createPayloads(pipeline, letters.connections);
    const shown = {
      found,
      parts,
      payload: await letterPayload(letter, decoder),
      audit: await letters.states.audit(found.topicId, found.letter),
    };
    console.log(options.json === true ? shownLetterJson(shown) : shownLetterText(shown));
  });
}

/** @throws UsageError when there is such a file, Error when there is no payload to write. */
async function writePayload(file: string, { value, kept }: Letter, parts: Parts | undefined): Promise<void> {
  if (kept?.kind === 'outbox') throw new Error('the letter has no payload: its row in the outbox has it, until its day is dropped');
  if (parts !== undefined && parts.whole === undefined) throw new Error('not all parts of the payload are there');
  if (value === null) throw new Error('the record has no value');
  try {
    await writeFile(file, value, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw new UsageError(`${file} is there already: name a new file`);
    throw error;
  }
  console.error(`${value.length} bytes written to ${file}`);
}
