import { Command, Option } from 'commander';
import { counted } from '../core/counted.ts';
import type { DomainDefinition } from '../core/define.ts';
import { pipelineIn } from '../pipeline.ts';
import { connectRest } from '../runtime/capture.ts';
import { Connections } from '../runtime/connections.ts';
import type { HandoverOutcome } from '../runtime/handover.ts';
import { handOver, planHandover } from '../runtime/handover.ts';
import { Lifecycle } from '../runtime/lifecycle.ts';
import { createSourceIdentity } from '../runtime/source-identity.ts';
import { createLogger } from '../runtime/telemetry/log.ts';
import { dataFolderOption, settingsIn } from './common-options.ts';
import { UsageError } from './exit.ts';
import { interrupts } from './interrupts.ts';

const STOP_MS = 5_000;

interface Options {
  readonly domain: string;
  readonly to: 'relay' | 'debezium';
  readonly dryRun?: true;
  readonly json?: true;
  readonly dataFolder: string;
}

/** `millrace slot handover` */
export function handoverCommand(): Command {
  return new Command('handover')
    .description('move the capture of a live domain between the relay and Debezium, on its slot, without loss')
    .requiredOption('--domain <domain>', 'whose outbox')
    .addOption(new Option('--to <capture>', 'who reads from the slot from now on').choices(['relay', 'debezium']).makeOptionMandatory())
    .option('--dry-run', 'say what would be done')
    .option('--json', 'print the outcome as one JSON object')
    .addOption(dataFolderOption())
    .addHelpText(
      'after',
      `
Writers go on writing. Relays that run look at the owner of the slot twice a second and let go by themselves. What was
published and not yet confirmed is published a second time: the number is printed. When a handover fails, or Ctrl-C ends it, the
side that had the slot goes on. One that was killed is finished, or taken back, by running it again; until then nobody may
be reading from the slot.

Examples:
  millrace slot handover --domain scan --to debezium --dry-run
  millrace slot handover --domain scan --to debezium
  millrace slot handover --domain scan --to relay --json`,
    )
    .action(async (options: Options) => {
      await run(options);
    });
}

async function run(options: Options): Promise<void> {
  const config = settingsIn(options.dataFolder, { connectorPasswords: options.to === 'debezium' });
  const pipeline = pipelineIn(config.timeZone);
  const domain = capturedDomain(pipeline.domains, options.domain);
  const rest = connectRest(config);
  if (rest === undefined) throw new UsageError('KAFKA_CONNECT_URL is not set: there is no Kafka Connect to hand over to, or from');
  const tell = (line: string): void => {
    if (options.json !== true) console.log(line);
  };
  if (options.dryRun === true) {
    const steps = await planHandover({ domain, to: options.to, config, rest });
    if (options.json === true) console.log(JSON.stringify({ steps }));
    else console.log(steps.map((step, index) => `${index + 1}. ${step}`).join('\n'));
    return;
  }
  const logger = createLogger({ service: 'millrace-handover', environment: config.environment, level: 'error', format: config.log.format });
  const connections = new Connections(pipeline, config, logger, 'millrace-handover');
  const [driver, identity] = [connections.broker(), createSourceIdentity(domain, connections)];
  const lifecycle = new Lifecycle(connections.services(), logger);
  const interrupted = interrupts({
    leaves: 'the handover is half done; `millrace slot status` shows where the capture stands, and the same command goes on',
  });
  try {
    await lifecycle.start(new AbortController().signal);
    const outcome = await handOver({ domain, to: options.to, config, rest, driver, identity, report: tell, signal: interrupted.signal });
    if (options.json === true) console.log(JSON.stringify({ domain: domain.name, ...outcome }));
    else console.log(sentenceOf(domain.name, outcome));
  } finally {
    interrupted.end();
    await lifecycle.stop(STOP_MS);
  }
}

function sentenceOf(domain: string, { to, waiting, duplicates, remarks }: HandoverOutcome): string {
  const rows =
    waiting === undefined || duplicates === undefined
      ? 'Too much waited in the slot to be counted; what was published of it comes twice, and is handled once'
      : `${counted(waiting, 'row')} waited in the slot, ${duplicates} of them in the topics already (published twice, handled once)`;
  return [`${domain} is captured by ${to === 'relay' ? 'the relay' : 'Debezium'}. ${rows}`, ...remarks].join('\n');
}

function capturedDomain(domains: readonly DomainDefinition[], name: string): DomainDefinition {
  const captured = domains.filter((domain) => domain.captured);
  const found = captured.find((domain) => domain.name === name);
  if (found !== undefined) return found;
  throw new UsageError(`no domain ${name} with an outbox\nDomains: ${captured.map((domain) => domain.name).join(', ')}`);
}
