import { Command } from 'commander';
import { loadConfig } from '../runtime/config.ts';
import { developmentToken } from './development-user.ts';
import { UsageError } from './exit.ts';
import { localEnvironment } from './local-environment.ts';
import { localFolder } from './local-folder.ts';

export function tokenCommand(): Command {
  return new Command('token')
    .description('development only: register a user when new, and print a token for it')
    .requiredOption('--user <id>', 'the user: letters, digits and . _ ~ @ | + = -')
    .option('--hours <hours>', 'how long the token is valid', '24')
    .option('--data-folder <folder>', 'the folder of `millrace start`', '.millrace')
    .addHelpText(
      'after',
      `
Needs AUTH_DEVELOPMENT=true and AUTH_DEVELOPMENT_SECRET, which \`millrace start\` sets in its folder.

Examples:
  millrace token --user somebody
  TOKEN=$(millrace token --user somebody --hours 1)`,
    )
    .action(async (options: { user: string; hours: string; dataFolder: string }) => {
      const hours = Number(options.hours);
      if (!(hours > 0 && hours <= 24 * 365)) throw new UsageError('--hours must be a number above 0 and at most 8760');
      const config = loadConfig(localEnvironment(localFolder(options.dataFolder)), { auth: true });
      console.log(await developmentToken(config, options.user, Math.round(hours * 3_600)));
    });
}
