import type { PipelineDefinition } from '../../core/define-pipeline.ts';
import type { ProjectionDefinition } from '../../core/define-projection.ts';
import type { DomainDefinition } from '../../core/define.ts';
import type { Names } from '../../core/names.ts';
import { readersOf } from '../../schemas/topics.ts';
import { overtakingTopics } from '../processing/lane.ts';

interface QueueName {
  /** The dead-letter topic. */
  readonly topic: string;
  /** The consumer group, or `capture.<domain>`. */
  readonly group: string;
}

/** A dead-letter topic and whose it is. */
export type LetterQueue = GroupQueue | CaptureQueue;

/** What a consumer group could not handle: it can be replayed to that group. */
export type GroupQueue = QueueName & {
  /** The topic that the group reads. */
  readonly source: string;
  /** Topics of the group whose records do not wait behind others of their key. */
  readonly overtakingTopics: ReadonlySet<string>;
  readonly reader:
    | { readonly kind: 'processor'; readonly domain: DomainDefinition }
    | { readonly kind: 'projection'; readonly projection: ProjectionDefinition };
};

/** What a capture could not publish: rows that never became records, which only their domain can write again. */
export type CaptureQueue = QueueName & { readonly reader: { readonly kind: 'capture'; readonly domain: DomainDefinition } };

/** Every dead-letter topic that the pipeline declares, by name. */
export function letterQueues(pipeline: PipelineDefinition, names: Names): readonly LetterQueue[] {
  const groups = readersOf(pipeline, names).map(({ group, event, domain, projection }): GroupQueue => {
    const source = names.eventTopic(event.route);
    const overtaking = overtakingTopics(projection === undefined ? domain.processor : undefined, pipeline, names);
    const reader = projection === undefined ? ({ kind: 'processor', domain } as const) : ({ kind: 'projection', projection } as const);
    return { topic: names.deadLetterTopic(source, group), group, source, overtakingTopics: overtaking, reader };
  });
  const captures = pipeline.domains
    .filter(({ captured }) => captured)
    .map((domain): CaptureQueue => {
      const topic = names.captureDeadLetterTopic(domain.name);
      return { topic, group: topic.slice(0, -'.dlt'.length), reader: { kind: 'capture', domain } };
    });
  return [...groups, ...captures].sort((a, b) => (a.topic < b.topic ? -1 : 1));
}

/** Those of the group, and of the topic: a dead-letter topic, or the topic that the group reads. */
export function chooseQueues(
  queues: readonly LetterQueue[],
  { group, topic }: { readonly group?: string | undefined; readonly topic?: string | undefined },
): readonly LetterQueue[] {
  return queues.filter(
    (queue) =>
      (group === undefined || queue.group === group) &&
      (topic === undefined || queue.topic === topic || ('source' in queue && queue.source === topic)),
  );
}

export function isGroupQueue(queue: LetterQueue): queue is GroupQueue {
  return queue.reader.kind !== 'capture';
}
