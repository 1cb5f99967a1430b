import { Command } from 'commander';
import { explain, EXIT_CONFIGURATION } from '../cli/exit.ts';
import { authCheckCommand } from './auth-check-command.ts';
import { captureCommand } from './capture-command.ts';
import { processingCommand } from './processing-command.ts';

const program = new Command('bench')
  .description('benchmarks on servers of their own, stopped and deleted afterwards')
  .showHelpAfterError('(add --help for what there is)')
  .addCommand(captureCommand())
  .addCommand(processingCommand())
  .addCommand(authCheckCommand());

/** Exit code 2 for wrong words; asking for help is no fault. */
for (const command of [program, ...program.commands]) {
  command.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_CONFIGURATION));
}

try {
  await program.parseAsync();
} catch (error) {
  const { text, exitCode } = explain(error);
  console.error(text);
  process.exitCode = exitCode;
}
// Whatever an interrupted measurement has left open must not keep the process.
process.exit();
