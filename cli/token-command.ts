import { Command } from 'commander';
import { isUserId } from '../api/verify-token.ts';
import { dataFolderOption, settingsIn } from './common-options.ts';
import { developmentToken } from './development-user.ts';
import { UsageError } from './exit.ts';

export function tokenCommand(): Command {
  return new Command('token')
    .description('development only: register a user when new, and print a token for it')
    .requiredOption('--user <id>', 'the user: letters, digits and . _ ~ @ | + = -')
    .option('--hours <hours>', 'how long the token is valid', '24')
    .option('--operator', 'the token has the permission operator')
    .addOption(dataFolderOption())
    .addHelpText(
      'after',
      `
Needs AUTH_DEVELOPMENT=true and AUTH_DEVELOPMENT_SECRET, which \`millrace start\` sets in its folder.

Examples:
  millrace token --user somebody
  TOKEN=$(millrace token --user somebody --hours 1)`,
    )
    .action(async (options: { user: string; hours: string; operator?: true; dataFolder: string }) => {
      const hours = Number(options.hours);
      if (!(hours > 0 && hours <= 24 * 365)) throw new UsageError('--hours must be a number above 0 and at most 8760');
      if (!isUserId(options.user)) throw new UsageError('--user must be 1 to 64 letters, digits and . _ ~ @ | + = -');
      const config = settingsIn(options.dataFolder, { auth: true });
      console.log(await developmentToken(config, options.user, Math.round(hours * 3_600), options.operator === true ? ['operator'] : []));
    });
}
