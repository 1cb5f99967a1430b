import { Command } from 'commander';
import type { ClassifiedError } from '../core/errors.ts';
import { pipeline, pipelineIn } from '../pipeline.ts';
import { loadConfig, printableConfig } from '../runtime/config.ts';
import { settingsWithoutDomain } from '../runtime/idle-settings.ts';
import type { Roles } from '../runtime/roles.ts';
import { parseRoles } from '../runtime/roles.ts';
import { createLogger } from '../runtime/telemetry/log.ts';
import { composeProcess } from './compose-process.ts';
import { dataFolderOption } from './common-options.ts';
import { UsageError } from './exit.ts';
import { interrupts } from './interrupts.ts';
import { localEnvironment } from './local-environment.ts';
import { localFolder } from './local-folder.ts';

export function runCommand(): Command {
  return new Command('run')
    .description('start roles in this process and run until a signal')
    .argument('<role...>', 'all, api, flows, relay[:domain], processor[:domain], projector[:projection]')
    .option('--with-parent', 'stop when the process that started this one is gone')
    .addOption(dataFolderOption())
    .addHelpText(
      'after',
      `
Settings come from the environment, from the file that MILLRACE_CONFIG_FILE names, or else from .millrace/config.json, which
\`millrace start\` writes; docs/configuration.md lists them.
SIGTERM or SIGINT stops softly: reading ends first, what is in hand is finished and committed. A second signal stops at once.

Examples:
  millrace run all
  millrace run api
  millrace run relay:image relay:scan
  millrace run processor projector:scan-history`,
    )
    .action(async (words: string[], options: RunOptions) => {
      await run(words, options);
    });
}

interface RunOptions {
  readonly withParent?: true;
  readonly dataFolder: string;
}

async function run(words: readonly string[], { withParent, dataFolder }: RunOptions): Promise<void> {
  const roles = rolesOf(words);
  const config = loadConfig(localEnvironment(localFolder(dataFolder)), { auth: roles.api });
  const service = serviceName(words);
  const logger = createLogger({ service, environment: config.environment, ...config.log });
  logger.info({ roles: words.join(' '), configuration: JSON.stringify(printableConfig(config)) }, 'starting');

  for (const setting of settingsWithoutDomain(config, pipelineIn(config.timeZone)))
    logger.warn({ setting }, 'the setting ends with a domain that there is not, and changes nothing');

  const stopping = new AbortController();
  let exitCode = 0;
  const onFatal = (error: ClassifiedError): void => {
    logger.error({ remedy: error.remedy }, 'cannot go on', error);
    exitCode = 1;
    stopping.abort();
  };
  const lifecycle = await composeProcess({ service, pipeline: pipelineIn(config.timeZone), roles, config, logger, onFatal });
  const interrupted = interrupts({
    leaves: 'what was in hand is handled again by whoever comes next',
    onFirst: (signal) => {
      logger.info({ signal }, 'stopping');
      stopping.abort();
    },
  });
  if (withParent === true) whenParentIsGone(() => interrupted.interrupt('SIGTERM'));
  try {
    await lifecycle.start(stopping.signal);
    logger.info({ roles: words.join(' ') }, 'running');
    await aborted(stopping.signal);
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
  } finally {
    await lifecycle.stop(config.shutdownTimeoutMs);
  }
  logger.info({ roles: words.join(' ') }, 'stopped');
  process.exit(exitCode);
}

function rolesOf(words: readonly string[]): Roles {
  try {
    return parseRoles(words, pipeline);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'no such role');
  }
}

const PARENT_LOOK_MS = 500;

/** A supervisor that was killed cannot stop its roles: left alone, they would hold slots and partitions beside the next start's. */
function whenParentIsGone(stop: () => void): void {
  const parent = process.ppid;
  const look = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(look);
    stop();
  }, PARENT_LOOK_MS);
  look.unref();
}

/** `millrace-relay-image` for one role, `millrace` for several. */
function serviceName(words: readonly string[]): string {
  const [only] = words;
  return words.length === 1 && only !== undefined && only !== 'all' ? `millrace-${only.replace(':', '-')}` : 'millrace';
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
