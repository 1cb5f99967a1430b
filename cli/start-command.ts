import { Command, Option } from 'commander';
import { counted } from '../core/counted.ts';
import { ClassifiedError } from '../core/errors.ts';
import { pipelineIn } from '../pipeline.ts';
import { applyPipeline } from '../runtime/apply.ts';
import { loadConfig } from '../runtime/config.ts';
import { createLogger } from '../runtime/telemetry/log.ts';
import { systemClock } from '../runtime/telemetry/system-clock.ts';
import { withoutPassword } from '../stack/endpoints.ts';
import { CORE_PARTS, PARTS } from '../stack/parts.ts';
import { progressOn } from '../stack/progress.ts';
import type { Flavour, Part, StackEvent } from '../stack/stack.ts';
import { stackDown, stackUp } from '../stack/stack.ts';
import { developmentToken } from './development-user.ts';
import { interrupts } from './interrupts.ts';
import { localEnvironment, writeLocalSettings } from './local-environment.ts';
import type { LocalFolder, RunningRoles } from './local-folder.ts';
import { localFolder } from './local-folder.ts';
import { LocalRoles, runningRoles, untilReady } from './local-roles.ts';

const READY_TIMEOUT_MS = 90_000;
const SOFT_STOP_MS = 25_000;

export function startCommand(): Command {
  return new Command('start')
    .description('bring up the local stack and every role, and run until Ctrl-C')
    .option('--data-folder <folder>', 'where the data, the settings and the logs are kept', '.millrace')
    .addOption(new Option('--flavour <flavour>', 'native (servers as processes) or docker').choices(['native', 'docker']))
    .option('--debezium', 'bring up Kafka Connect with Debezium as well: cdc.* topics, and CAPTURE=debezium works')
    .addHelpText(
      'after',
      `
Ctrl-C stops everything that this command started, in order, and leaves the data; the next start goes on from it.
Servers that run already are used instead of own ones when POSTGRES_URL, KAFKA_BROKERS, SCHEMA_REGISTRY_URL, REDIS_URL or
ELASTICSEARCH_URL name them.

Examples:
  millrace start
  millrace start --flavour docker
  millrace start --debezium
  CAPTURE=debezium millrace start --debezium
  HTTP_PORT=9000 millrace start`,
    )
    .action(async (options: { dataFolder: string; flavour?: Flavour; debezium?: true }) => {
      const folder = localFolder(options.dataFolder);
      const interrupted = interrupts({ leaves: leftBehind(folder), onFirst: () => console.log('\nstopping… (Ctrl-C again ends at once)') });
      const parts = options.debezium === true ? PARTS : CORE_PARTS;
      await withLocalPipeline(folder, { flavour: options.flavour, parts }, interrupted.signal, async (running) => {
        console.log(await screen(folder, running));
        await new Promise<void>((resolve) => {
          interrupted.signal.addEventListener('abort', () => resolve(), { once: true });
        });
      });
      console.log('stopped; the data is kept, `npm start` goes on from it');
    });
}

/** Roles end by themselves when nobody supervises them; servers do not. */
export function leftBehind({ path }: Pick<LocalFolder, 'path'>): string {
  return `the roles end within seconds, servers may go on: \`npm run -s millrace -- stack down --data-folder ${path}\` stops them; the data is kept`;
}

/** Brings everything up, does the work, and stops in reverse what was started, also when the work fails. */
export async function withLocalPipeline(
  folder: LocalFolder,
  { flavour, parts }: { readonly flavour: Flavour | undefined; readonly parts: readonly Part[] },
  signal: AbortSignal,
  work: (running: RunningRoles) => Promise<void>,
): Promise<void> {
  const there = runningRoles(folder);
  if (there !== undefined)
    throw new Error(`a pipeline runs on this folder already: ${there.apiUrl} (process ${there.supervisorPid}); stop it there first`);
  const progress = progressOn(process.stdout);
  // Servers that ran before this command go on after it.
  const startedParts = new Set<Part>();
  try {
    const report = (event: StackEvent): void => {
      if (event.step === 'starting') startedParts.add(event.part);
      progress.report(event);
    };
    const endpoints = await stackUp({ dataFolder: folder.stackFolder, flavour, parts, signal, progress: report });
    progress.close();
    const settings = await writeLocalSettings(folder, endpoints);
    await apply(folder, signal);
    signal.throwIfAborted();
    const roles = new LocalRoles({
      folder,
      environment: localEnvironment(folder),
      apiPort: Number(settings['HTTP_PORT']),
      onChange: (role, event) => console.log(`${role.padEnd(13)} ${event}`),
    });
    try {
      const running = await roles.start();
      await untilReady(running, folder, READY_TIMEOUT_MS, signal);
      for (const { role, operationsUrl } of running.roles) console.log(`${role.padEnd(13)} ready: ${operationsUrl}`);
      await work(running);
    } finally {
      await roles.stop(SOFT_STOP_MS);
    }
  } finally {
    progress.close();
    const stopping = progressOn(process.stdout);
    if (startedParts.size > 0) await stackDown({ dataFolder: folder.stackFolder, parts: [...startedParts], progress: stopping.report });
    stopping.close();
  }
}

const APPLY_PATIENCE_MS = 90_000;
const APPLY_PAUSE_MS = 1_000;

/** Servers that have just started may be slow to their first answer; whatever was made stays made. */
async function untilAnswered<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + APPLY_PATIENCE_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const mayPass = error instanceof ClassifiedError && error.disposition === 'outage' && performance.now() < deadline;
      if (!mayPass) throw error;
      await systemClock.sleep(APPLY_PAUSE_MS, signal);
    }
  }
}

async function apply(folder: LocalFolder, signal: AbortSignal): Promise<void> {
  const config = loadConfig(localEnvironment(folder));
  const logger = createLogger({ service: 'millrace-apply', environment: config.environment, level: 'error', format: config.log.format });
  const leftOut = new Set<string>();
  const changes = await untilAnswered(signal, () =>
    applyPipeline(
      pipelineIn(config.timeZone),
      config,
      logger,
      () => undefined,
      (sentence) => leftOut.add(sentence),
    ),
  );
  console.log(`${'apply'.padEnd(13)} ${changes.length === 0 ? 'nothing to change' : `${counted(changes.length, 'change')} made`}`);
  for (const sentence of leftOut) console.log(`${'apply'.padEnd(13)} ${sentence}`);
}

async function screen(folder: LocalFolder, running: RunningRoles): Promise<string> {
  const config = loadConfig(localEnvironment(folder), { auth: true });
  const token = await developmentToken(config, 'first-user');
  const topic = config.names.eventTopic('image.registered');
  return `
Millrace runs. API ${running.apiUrl}   OpenAPI ${running.apiUrl}/openapi.json   logs ${folder.path}/logs
Kafka ${config.kafka.brokers.join(',')}   registry ${withoutPassword(config.registry.url)}   Elasticsearch ${withoutPassword(config.elasticsearch.url)}
PostgreSQL, Redis and the rest: npm run -s millrace -- stack status

  API=${running.apiUrl}
  TOKEN=${token}

Send a registration:
  curl -si ${running.apiUrl}/api/v1/images/register -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"cdn_url":"https://cdn.example/classify-as/pet-bottle/1.jpg"}'
Read the result (a second later: the choreography runs behind the answer):
  curl -s ${running.apiUrl}/api/v1/characters/me -H "authorization: Bearer $TOKEN"
See a failure (send the registration a second time, then read why the second reward was refused):
  curl -s ${running.apiUrl}/api/v1/scans/me -H "authorization: Bearer $TOKEN"

The first topic: ${topic}. Another token: npm run -s millrace -- token --user <name>. Ctrl-C stops everything and leaves the data.
`;
}
