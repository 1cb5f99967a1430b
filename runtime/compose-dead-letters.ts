import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { HealthSource, Service } from '../core/lifecycle.ts';
import type { Metrics } from '../core/metrics.ts';
import type { Connections } from './connections.ts';
import { LetterArchive } from './dead-letters/archive.ts';
import { sweepAudit } from './dead-letters/audit-sweep.ts';
import { createDeadLetterCare } from './dead-letters/dead-letter-care.ts';
import type { LetterQueue } from './dead-letters/letter-queues.ts';
import { letterQueues } from './dead-letters/letter-queues.ts';
import { LetterStates } from './dead-letters/letter-states.ts';
import type { Roles } from './roles.ts';
import { systemClock } from './telemetry/system-clock.ts';

interface Surroundings {
  readonly pipeline: PipelineDefinition;
  readonly connections: Connections;
  readonly metrics: Metrics;
}

/** The care for the dead letters of what this process runs; nothing in a process that makes none. */
export function deadLetterCare(roles: Roles, { pipeline, connections, metrics }: Surroundings): readonly (Service & HealthSource)[] {
  const { config, logger } = connections;
  const queues = letterQueues(pipeline, config.names).filter((queue) => isMadeBy(roles, queue));
  if (queues.length === 0) return [];
  const reader = connections.logReader();
  const states = new LetterStates(connections.platform());
  const { archive, auditDays } = config.deadLetters;
  const platform = connections.platform();
  const letterArchive = archive === undefined ? undefined : new LetterArchive({ reader, states, platform, clock: systemClock, ...archive });
  const sweep = (signal: AbortSignal): Promise<number> => sweepAudit(platform, auditDays, signal);
  return [createDeadLetterCare({ queues, reader, states, archive: letterArchive, sweepAudit: sweep, metrics, logger, clock: systemClock })];
}

function isMadeBy(roles: Roles, { reader }: LetterQueue): boolean {
  switch (reader.kind) {
    case 'processor':
      return roles.processors.includes(reader.domain.name);
    case 'projection':
      return roles.projectors.includes(reader.projection.name);
    case 'capture':
      return roles.relays.includes(reader.domain.name);
  }
}
