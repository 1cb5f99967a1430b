import type { PipelineDefinition } from '../core/define-pipeline.ts';
import { ClassifiedError } from '../core/errors.ts';
import type { Names } from '../core/names.ts';
import type { AvroRecord, EventSchemas } from './avro-schema.ts';
import { SCHEMAS } from './generated/events.ts';

const BY_TYPE: Readonly<Record<string, EventSchemas>> = SCHEMAS;

/** The latest schema of an event. @throws ClassifiedError EVENT_UNKNOWN */
export function schemaOf(type: string): AvroRecord {
  return versionsOf(type).latest;
}

/** The subject of each event type of the pipeline: that of its topic's values. The function throws EVENT_UNKNOWN. */
export function subjectsByType(pipeline: PipelineDefinition, names: Names): (type: string) => string {
  const subjects = new Map(
    pipeline.domains.flatMap((domain) => domain.events).map((event) => [event.type, names.subject(names.eventTopic(event.route))]),
  );
  return (type) => {
    const subject = subjects.get(type);
    if (subject === undefined) throw new ClassifiedError('EVENT_UNKNOWN', 'the event type is not declared by the pipeline');
    return subject;
  };
}

/** Every subject of the pipeline with its schema's versions, the oldest first: the order in which they are registered. */
export function subjectsOf(
  pipeline: PipelineDefinition,
  names: Names,
): { readonly subject: string; readonly versions: readonly AvroRecord[] }[] {
  const subject = subjectsByType(pipeline, names);
  return pipeline.domains
    .flatMap((domain) => domain.events)
    .map(({ type }) => ({ subject: subject(type), versions: versionsOf(type).versions }))
    .sort((a, b) => (a.subject < b.subject ? -1 : 1));
}

function versionsOf(type: string): EventSchemas {
  const schemas = Object.hasOwn(BY_TYPE, type) ? BY_TYPE[type] : undefined;
  if (schemas === undefined) throw new ClassifiedError('EVENT_UNKNOWN', 'the event type has no schema');
  return schemas;
}
