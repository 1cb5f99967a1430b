import { Command } from 'commander';
import { applyCommand } from './apply-command.ts';
import { demoCommand } from './demo-command.ts';
import { explain } from './exit.ts';
import { runCommand } from './run-command.ts';
import { stackCommand } from './stack-command.ts';
import { startCommand } from './start-command.ts';
import { tokenCommand } from './token-command.ts';

const program = new Command('millrace')
  .description('Kafka CDC stream processing: transactional outbox, choreography, read models')
  .showHelpAfterError('(add --help for what there is)')
  .configureHelp({ showGlobalOptions: true })
  .addCommand(startCommand())
  .addCommand(applyCommand())
  .addCommand(runCommand())
  .addCommand(stackCommand())
  .addCommand(tokenCommand())
  .addCommand(demoCommand());

try {
  await program.parseAsync();
} catch (error) {
  const { text, exitCode } = explain(error);
  console.error(text);
  process.exitCode = exitCode;
}
