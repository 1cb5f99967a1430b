import { Command } from 'commander';
import { aggregateCommand } from './aggregate-command.ts';
import { applyCommand } from './apply-command.ts';
import { connectCommand } from './connect-command.ts';
import { demoCommand } from './demo-command.ts';
import { dltCommand } from './dlt-command.ts';
import { EXIT_CONFIGURATION, explain } from './exit.ts';
import { flowsCommand } from './flows-command.ts';
import { initCommand } from './init-command.ts';
import { parkedCommand } from './parked-command.ts';
import { runCommand } from './run-command.ts';
import { slotCommand } from './slot-command.ts';
import { stackCommand } from './stack-command.ts';
import { startCommand } from './start-command.ts';
import { tokenCommand } from './token-command.ts';
import { traceCommand } from './trace-command.ts';

const program = new Command('millrace')
  .description('Kafka CDC stream processing: transactional outbox, choreography, read models')
  .showHelpAfterError('(add --help for what there is)')
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
  )
  .addCommand(startCommand())
  .addCommand(initCommand())
  .addCommand(applyCommand())
  .addCommand(runCommand())
  .addCommand(slotCommand())
  .addCommand(connectCommand())
  .addCommand(dltCommand())
  .addCommand(stackCommand())
  .addCommand(parkedCommand())
  .addCommand(aggregateCommand())
  .addCommand(traceCommand())
  .addCommand(flowsCommand())
  .addCommand(tokenCommand())
  .addCommand(demoCommand());

/** Exit code 2 for wrong words, as for a wrong configuration; asking for help is no fault. */
for (const command of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) {
  command.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_CONFIGURATION));
}

try {
  await program.parseAsync();
} catch (error) {
  const { text, exitCode } = explain(error);
  console.error(text);
  process.exitCode = exitCode;
}
