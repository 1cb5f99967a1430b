import { randomBytes } from 'node:crypto';
import type { PipelineDefinition } from '../../core/define-pipeline.ts';
import type { ProjectionDefinition } from '../../core/define-projection.ts';
import type { DomainDefinition } from '../../core/define.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { createRehearsedElasticsearchProjector } from '../../projectors/elasticsearch/rehearsed-projector.ts';
import type { Projector } from '../../projectors/projector.ts';
import { createRehearsedRedisProjector } from '../../projectors/redis/rehearsed-projector.ts';
import type { Connections } from '../connections.ts';
import type { GroupQueue } from '../dead-letters/letter-queues.ts';
import { createPayloads } from '../payloads.ts';
import { commitStep } from '../postgres/steps/commit-step.ts';
import { isProcessed } from '../postgres/inbox-statements.ts';
import type { EventHandler } from '../processing/event-handler.ts';
import { createReactionHandler } from '../processing/reaction-handler.ts';
import { systemClock } from '../telemetry/system-clock.ts';
import type { EffectNotes } from './effect-notes.ts';
import { leftOutCalls } from './left-out-calls.ts';
import type { GroupRehearsal } from './rehearsal.ts';
import { createRehearsal } from './rehearsal.ts';
import { rehearsedUnitOfWork } from './rehearsed-unit-of-work.ts';

export interface ComposeOptions {
  readonly pipeline: PipelineDefinition;
  readonly connections: Connections;
  /** Declared calls are really made; they are idempotent by their key, and will be made again by the replay. */
  readonly withCalls: boolean;
}

/** The rehearsal of the group whose dead letters these are: the handler that the group runs, over what writes nothing. */
export async function composeRehearsal(
  { group, reader }: Pick<GroupQueue, 'group' | 'reader'>,
  options: ComposeOptions,
): Promise<GroupRehearsal> {
  const { pipeline, connections } = options;
  const events = pipeline.domains.flatMap((domain) => domain.events);
  const types =
    reader.kind === 'processor'
      ? (reader.domain.processor?.reactions ?? []).map(({ on }) => on)
      : reader.projection.reads.map(({ type }) => type);
  return createRehearsal({
    group,
    decoder: createPayloads(pipeline, connections).decoder,
    wanted: new Set(types),
    known: new Set(events.map(({ type }) => type)),
    handlerFor:
      reader.kind === 'processor' ? reactionHandler(reader.domain, options) : await projectionHandler(reader.projection, connections),
    timeoutMs: connections.config.processing.handlerTimeoutMs,
    clock: systemClock,
  });
}

function reactionHandler(domain: DomainDefinition, { connections, withCalls }: ComposeOptions): (notes: EffectNotes) => EventHandler {
  const unitOfWork = connections.unitOfWork(domain.name);
  const realCalls = withCalls ? connections.calls(NO_METRICS) : undefined;
  return (notes) =>
    createReactionHandler({
      processor: domain.processor ?? { domain: domain.name, reactions: [] },
      steps: { commit: (step) => commitStep(rehearsedUnitOfWork(unitOfWork, notes), step, systemClock) },
      isProcessed: (key) => isProcessed(connections.database(domain.name), domain.name, key),
      calls: realCalls ?? leftOutCalls(notes),
      random: (length) => randomBytes(length),
      // Its lines would say that the events were reacted to.
      logger: SILENT_LOGGER,
      clock: systemClock,
    });
}

async function projectionHandler(
  projection: ProjectionDefinition,
  connections: Connections,
): Promise<(notes: EffectNotes) => EventHandler> {
  // It connects when it is told to, and answers nothing before.
  if (projection.store === 'redis') await connections.redis(ownerOf(projection)).start(new AbortController().signal);
  return (notes) => {
    const projector = rehearsedProjector(projection, connections, notes);
    return (event, context) => projector.handle(event, context);
  };
}

function rehearsedProjector(projection: ProjectionDefinition, connections: Connections, notes: EffectNotes): Pick<Projector, 'handle'> {
  const { config } = connections;
  const common = { names: config.names, history: connections.history(), metrics: NO_METRICS, logger: SILENT_LOGGER, clock: systemClock };
  const note = notes.documents.push.bind(notes.documents);
  if (projection.store === 'elasticsearch')
    return createRehearsedElasticsearchProjector({ projection, client: connections.elasticsearch(), ...common }, note);
  return createRehearsedRedisProjector({ projection, redis: connections.redis(ownerOf(projection)).client, ...common }, note);
}

/** In whose Redis its documents are. */
function ownerOf(projection: ProjectionDefinition): string {
  return projection.reads[0]?.domain ?? '';
}
