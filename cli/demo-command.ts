import { Command, Option } from 'commander';
import { runDemo } from '../demo/demo.ts';
import { pipelineIn } from '../pipeline.ts';
import { loadConfig } from '../runtime/config.ts';
import { Connections } from '../runtime/connections.ts';
import { Lifecycle } from '../runtime/lifecycle.ts';
import { createLogger } from '../runtime/telemetry/log.ts';
import { CORE_PARTS } from '../stack/parts.ts';
import type { Flavour } from '../stack/stack.ts';
import { registerUsers } from './development-user.ts';
import { countOf, dataFolderOption } from './common-options.ts';
import { interrupts } from './interrupts.ts';
import { localEnvironment } from './local-environment.ts';
import type { LocalFolder, RunningRoles } from './local-folder.ts';
import { localFolder } from './local-folder.ts';
import { runningRoles } from './local-roles.ts';
import { leftBehind, withLocalPipeline } from './start-command.ts';
import { tokenOptions } from './token-options.ts';

const COUNT_MAX = 10_000_000;
const SEED_MAX = 2_147_483_647;
const CONCURRENCY_MAX = 10_000;
const PATIENCE_MAX_SECONDS = 86_400;

interface DemoFlags {
  readonly count: string;
  readonly seed: string;
  readonly concurrency: string;
  readonly patience: string;
  readonly dataFolder: string;
  readonly flavour?: Flavour;
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('send registrations, watch them arrive, compare the end state field by field')
    .option('--count <n>', 'registrations', '10000')
    .option('--seed <n>', 'what is sent follows from it', '1')
    .option('--concurrency <n>', 'users that send at the same time', '32')
    .option('--patience <seconds>', 'give up after this long without any progress', '60')
    .addOption(dataFolderOption())
    .addOption(new Option('--flavour <flavour>', 'for a pipeline that does not run yet').choices(['native', 'docker']))
    .addHelpText(
      'after',
      `
Uses the pipeline that \`millrace start\` runs on the folder, or brings one up and stops it afterwards. Ends with exit code 1
when something is missing or extra.

Examples:
  millrace demo
  millrace demo --count 1000 --seed 7`,
    )
    .action(async (flags: DemoFlags) => {
      const plan = planOf(flags);
      const folder = localFolder(flags.dataFolder);
      const running = runningRoles(folder);
      const leaves = running === undefined ? leftBehind(folder) : 'what was sent goes on in the pipeline that runs';
      const interrupted = interrupts({ leaves });
      const work = async (pipeline: RunningRoles): Promise<void> => {
        if (!(await demo(folder, pipeline, plan, interrupted.signal))) process.exitCode = 1;
      };
      if (running === undefined) await withLocalPipeline(folder, { flavour: flags.flavour, parts: CORE_PARTS }, interrupted.signal, work);
      else await work(running);
    });
}

type Plan = ReturnType<typeof planOf>;

/** Before anything is brought up for it. @throws UsageError */
export function planOf(flags: Pick<DemoFlags, 'count' | 'seed' | 'concurrency' | 'patience'>) {
  return {
    count: countOf(flags.count, '--count', COUNT_MAX),
    seed: countOf(flags.seed, '--seed', SEED_MAX),
    concurrency: countOf(flags.concurrency, '--concurrency', CONCURRENCY_MAX),
    patienceMs: countOf(flags.patience, '--patience', PATIENCE_MAX_SECONDS) * 1_000,
  };
}

async function demo(folder: LocalFolder, running: RunningRoles, plan: Plan, signal: AbortSignal): Promise<boolean> {
  const config = loadConfig(localEnvironment(folder), { auth: true });
  const logger = createLogger({ service: 'millrace-demo', environment: config.environment, level: 'error', format: config.log.format });
  const connections = new Connections(pipelineIn(config.timeZone), config, logger, 'millrace-demo');
  connections.redis('character');
  connections.elasticsearch();
  const lifecycle = new Lifecycle([...connections.services()], logger);
  await lifecycle.start(signal);
  try {
    return await runDemo({
      apiUrl: running.apiUrl,
      operationsUrls: () => (runningRoles(folder) ?? running).roles.map(({ role, operationsUrl }) => ({ role, url: operationsUrl })),
      connections,
      projections: pipelineIn(config.timeZone).projections.map(({ name }) => name),
      tokens: tokenOptions(config),
      registerUsers: (userIds) => registerUsers(config, userIds),
      ...plan,
      signal,
    });
  } finally {
    await lifecycle.stop(5_000);
    for (const service of connections.services()) await service.stop(AbortSignal.timeout(5_000));
  }
}
