import type { PipelineDefinition } from '../../core/define-pipeline.ts';
import type { Logger } from '../../core/log.ts';
import type { Config } from '../config.ts';
import { Connections } from '../connections.ts';
import { LetterLog } from './letter-log.ts';
import type { LetterQueue } from './letter-queues.ts';
import { letterQueues } from './letter-queues.ts';
import { LetterStates } from './letter-states.ts';

/** The dead letters of a deployment, to be looked at and decided on. */
export interface DeadLetters {
  readonly connections: Connections;
  readonly queues: readonly LetterQueue[];
  readonly log: LetterLog;
  readonly states: LetterStates;
}

export function deadLettersOf(pipeline: PipelineDefinition, connections: Connections): DeadLetters {
  const states = new LetterStates(connections.platform());
  const queues = letterQueues(pipeline, connections.config.names);
  return { connections, queues, states, log: new LetterLog(connections.logReader(), states) };
}

export interface OpenOptions {
  readonly pipeline: PipelineDefinition;
  readonly config: Config;
  readonly logger: Logger;
  readonly service: string;
}

const STOP_MS = 5_000;

/** With connections of its own, which end with the work. */
export async function withDeadLetters<T>(options: OpenOptions, work: (letters: DeadLetters) => Promise<T>): Promise<T> {
  const { pipeline, config, logger, service } = options;
  const connections = new Connections(pipeline, config, logger, service);
  try {
    return await work(deadLettersOf(pipeline, connections));
  } finally {
    for (const opened of connections.services()) await opened.stop(AbortSignal.timeout(STOP_MS));
  }
}
