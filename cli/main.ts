import { Command } from 'commander';
import { packageVersion } from '../runtime/version.ts';
import { COMMANDS } from './commands.ts';
import { EXIT_CONFIGURATION, explain } from './exit.ts';
import { stopWithoutReader } from './reader-gone.ts';

const readerIsGone = stopWithoutReader();

const HINT = '(add --help for what there is)';
const program = new Command('millrace')
  .description('Kafka CDC stream processing: transactional outbox, choreography, read models')
  .version(packageVersion(), '--version', 'print the version')
  .configureHelp({ showGlobalOptions: true })
  .addHelpText(
    'after',
    `
In a checkout the command is \`npm run -s millrace -- <command>\`.

Examples:
  millrace start                          everything, until Ctrl-C
  millrace demo --count 1000              send, watch, compare
  millrace run relay processor:scan       some roles in this process
  millrace connect status                 the Debezium connectors
  millrace trace <id>                     the timeline of one flow
  millrace dlt stats                      what could not be handled, and why
  millrace stack status                   what runs where`,
  );

const [, , word = ''] = process.argv;
const called = Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : undefined;
// Help, and the answer to a word that is none, name them all.
for (const command of called === undefined ? Object.values(COMMANDS) : [called]) program.addCommand(await command());

/** Exit code 2 for wrong words, as for a wrong configuration, and where the right ones are; asking for help is no fault. */
for (const command of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) {
  command.showHelpAfterError(HINT).exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_CONFIGURATION));
}

try {
  await program.parseAsync();
} catch (error) {
  const { text, exitCode } = explain(error);
  if (!readerIsGone()) console.error(text);
  process.exitCode = exitCode;
}
