import type { TopicDeclaration } from '../core/broker.ts';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { ProjectionDefinition } from '../core/define-projection.ts';
import type { DomainDefinition, EventDefinition } from '../core/define.ts';
import type { Names } from '../core/names.ts';
import { segmentMs } from '../core/retention.ts';

const DEAD_LETTER_RETENTION_MS = 30 * 86_400_000;
const CAPTURE_DEAD_LETTER_PARTITIONS = 3;
/** Kafka's default for a topic, and room beside it for the headers that say why and where a record failed. */
const MESSAGE_BYTES_MAX = 1_048_588;
const LETTER_ROOM_BYTES = 65_536;
const DEAD_LETTER_BYTES_MAX = MESSAGE_BYTES_MAX + LETTER_ROOM_BYTES;

/**
 * Every topic that the pipeline needs: its events, a dead-letter topic for each group and topic that the group reads, one
 * per captured domain, and the memory of the captures. Sorted by name. With three replicas a write needs two of them.
 */
export function topicsOf(pipeline: PipelineDefinition, names: Names, replicationFactor: number): TopicDeclaration[] {
  const declare = (topic: string, partitions: number, retentionMs: number, bytesMax = MESSAGE_BYTES_MAX): TopicDeclaration => ({
    topic,
    partitions,
    retentionMs,
    replicationFactor,
    config: topicConfig(replicationFactor, bytesMax, retentionMs),
  });
  const events = pipeline.domains.flatMap((domain) => domain.events);
  return [
    ...events.map((event) => declare(names.eventTopic(event.route), event.partitions, event.retentionMs)),
    ...readersOf(pipeline, names).map(({ group, event }) => {
      const topic = names.eventTopic(event.route);
      const letters = declare(names.deadLetterTopic(topic, group), event.partitions, DEAD_LETTER_RETENTION_MS, DEAD_LETTER_BYTES_MAX);
      return { ...letters, lettersOf: { topic, roomBytes: LETTER_ROOM_BYTES } };
    }),
    ...pipeline.domains
      .filter((domain) => domain.captured)
      .map((domain) =>
        declare(names.captureDeadLetterTopic(domain.name), CAPTURE_DEAD_LETTER_PARTITIONS, DEAD_LETTER_RETENTION_MS, DEAD_LETTER_BYTES_MAX),
      ),
    // What the captures remember of their sources: the last word on each key is kept for ever.
    {
      ...declare(names.captureSourcesTopic(), 1, -1),
      config: {
        ...topicConfig(replicationFactor, MESSAGE_BYTES_MAX, -1),
        'cleanup.policy': 'compact',
        'segment.ms': '600000',
        'min.cleanable.dirty.ratio': '0.05',
      },
    },
  ].sort((a, b) => (a.topic < b.topic ? -1 : 1));
}

const TABLE_PARTITIONS = 3;
const TABLE_RETENTION_MS = 7 * 86_400_000;

/** The `cdc.*` topics of the tables that Debezium captures whole. Sorted by name. */
export function tableTopicsOf(pipeline: PipelineDefinition, names: Names, replicationFactor: number): TopicDeclaration[] {
  return pipeline.domains
    .flatMap((domain) =>
      (domain.tables ?? []).map((table) => {
        const retentionMs = table.retentionMs ?? TABLE_RETENTION_MS;
        return {
          topic: names.tableTopic(domain.name, table.topic),
          partitions: table.partitions ?? TABLE_PARTITIONS,
          retentionMs,
          replicationFactor,
          config: topicConfig(replicationFactor, MESSAGE_BYTES_MAX, retentionMs),
        };
      }),
    )
    .sort((a, b) => (a.topic < b.topic ? -1 : 1));
}

function topicConfig(replicationFactor: number, bytesMax: number, retentionMs: number): Record<string, string> {
  const replicas: Record<string, string> = replicationFactor > 2 ? { 'min.insync.replicas': '2' } : {};
  return {
    'cleanup.policy': 'delete',
    ...replicas,
    'max.message.bytes': String(bytesMax),
    'segment.ms': String(segmentMs(retentionMs)),
  };
}

/** A group and an event that it reads: by a domain's processor, or by a projection. */
export interface Reader {
  readonly group: string;
  readonly event: EventDefinition;
  /** Whose processor it is; for a projection the event's own domain. */
  readonly domain: DomainDefinition;
  readonly projection: ProjectionDefinition | undefined;
}

/** Which group reads which event. One that nobody declares is left out. */
export function readersOf(pipeline: PipelineDefinition, names: Names): Reader[] {
  const declared = new Map(pipeline.domains.flatMap((domain) => domain.events.map((event) => [event.type, { event, domain }] as const)));
  const processors = pipeline.domains.flatMap((domain) =>
    (domain.processor?.reactions ?? []).flatMap((reaction) => {
      const event = declared.get(reaction.on)?.event;
      return event === undefined ? [] : [{ group: names.processorGroup(domain.name), event, domain, projection: undefined }];
    }),
  );
  const projections = pipeline.projections.flatMap((projection) =>
    projection.reads.flatMap(({ type }) => {
      const found = declared.get(type);
      return found === undefined ? [] : [{ group: names.projectionGroup(projection.name, projection.version), ...found, projection }];
    }),
  );
  return [...processors, ...projections];
}
