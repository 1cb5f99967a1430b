import { Command } from 'commander';
import { counted } from '../core/counted.ts';
import { pipelineIn } from '../pipeline.ts';
import { applyPipeline } from '../runtime/apply.ts';
import { createLogger } from '../runtime/telemetry/log.ts';
import { dataFolderOption, settingsIn } from './common-options.ts';

export function applyCommand(): Command {
  return new Command('apply')
    .description('make what the pipeline declares on the configured servers; changes nothing the second time')
    .option('--json', 'print the changes as one JSON object')
    .addOption(dataFolderOption())
    .addHelpText(
      'after',
      `
Makes databases and migrations, the rights of the roles that \`millrace init\` made on new tables, publications and slots, topics with partitions and retention, schemas with compatibility
BACKWARD, connectors of Kafka Connect (where KAFKA_CONNECT_URL names one), and index templates. Existing data is never
deleted.

Examples:
  millrace apply
  millrace apply --json`,
    )
    .action(async (options: { json?: true; dataFolder: string }) => {
      const config = settingsIn(options.dataFolder);
      const logger = createLogger({
        service: 'millrace-apply',
        environment: config.environment,
        level: 'error',
        format: config.log.format,
      });
      const leftOut: string[] = [];
      const tell = (line: string): void => {
        if (options.json !== true) console.log(`  ${line}`);
      };
      const onLeftOut = (sentence: string): void => {
        leftOut.push(sentence);
        tell(sentence);
      };
      const changes = await applyPipeline(pipelineIn(config.timeZone), config, logger, tell, onLeftOut);
      if (options.json === true) console.log(JSON.stringify({ changes, leftOut }));
      else console.log(changes.length === 0 ? 'nothing to change' : `${counted(changes.length, 'change')} made`);
    });
}
