import { pipelineIn } from '../pipeline.ts';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import { Connections } from '../runtime/connections.ts';
import { createLogger } from '../runtime/telemetry/log.ts';
import { settingsIn } from './common-options.ts';

const STOP_MS = 5_000;

/**
 * Runs a command that looks into the servers, by the settings of the environment or of a `millrace start`; its connections are
 * closed whatever happens.
 * @throws UsageError without settings, ConfigurationError with wrong ones, or what `look` threw.
 */
export async function withConnections<T>(
  command: string,
  dataFolder: string,
  look: (connections: Connections, pipeline: PipelineDefinition) => Promise<T>,
): Promise<T> {
  const config = settingsIn(dataFolder);
  const pipeline = pipelineIn(config.timeZone);
  const service = `millrace-${command}`;
  const logger = createLogger({ service, environment: config.environment, level: 'error', format: config.log.format });
  const connections = new Connections(pipeline, config, logger, service);
  try {
    return await look(connections, pipeline);
  } finally {
    for (const opened of connections.services()) await opened.stop(AbortSignal.timeout(STOP_MS));
  }
}
