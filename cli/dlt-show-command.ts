import { Command } from 'commander';
import { letterPayload } from '../runtime/dead-letters/letter-payload.ts';
import { parsePlace } from '../runtime/dead-letters/letter.ts';
import { createPayloads } from '../runtime/payloads.ts';
import { withLetters } from './dlt-options.ts';
import { shownLetterJson, shownLetterText } from './dlt-text.ts';
import { UsageError } from './exit.ts';

interface Options {
  readonly json?: true;
  readonly dataFolder: string;
}

/** `millrace dlt show` */
export function dltShowCommand(): Command {
  return new Command('show')
    .description('show one dead letter with headers, payload and what was done to it')
    .argument('<letter>', '<topic>/<partition>/<offset>, as `dlt list` prints it')
    .option('--json', 'print one JSON object')
    .option('--data-folder <folder>', 'the folder of `millrace start`', '.millrace')
    .addHelpText(
      'after',
      `
Shows the payload, decoded where that is possible: for operators. It is written nowhere else.

Examples:
  millrace dlt show events.scan.requested.processor.scan.dlt/2/17
  millrace dlt show capture.scan.dlt/0/3 --json`,
    )
    .action(async (text: string, options: Options) => show(text, options));
}

async function show(text: string, options: Options): Promise<void> {
  const place = parsePlace(text);
  if (place === undefined) throw new UsageError('the letter must be <topic>/<partition>/<offset>');
  await withLetters(options, async ({ letters, pipeline }) => {
    const queue = letters.queues.find(({ topic }) => topic === place.topic);
    if (queue === undefined)
      throw new UsageError(`no such dead-letter topic\nTopics: ${letters.queues.map(({ topic }) => topic).join(', ')}`);
    const [found] = await letters.log.fetcher().fetch([{ queue, place }]);
    if (found === undefined) throw new Error('no letter is there: its topic keeps letters for 30 days');
    const { decoder } = createPayloads(pipeline, letters.connections);
    const shown = {
      found,
      payload: await letterPayload(found.letter, decoder),
      audit: await letters.states.audit(found.topicId, found.letter),
    };
    console.log(options.json === true ? shownLetterJson(shown) : shownLetterText(shown));
  });
}
