import { createHash } from 'node:crypto';
import type { PipelineDefinition } from '../../core/define-pipeline.ts';
import type { ProcessorDefinition } from '../../core/define.ts';
import type { Names } from '../../core/names.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import { utf8Text } from '../../core/record.ts';

/** An index of PostgreSQL holds entries of up to 2.6 KB, and lanes are in two. */
const KEY_BYTES_MAX = 256;

/**
 * The lane of a record: what is handled one after another, in order. By key over all topics of the group, so that one user's
 * events never run beside each other; a record without a key has only its partition. The records of an overtaking topic have,
 * per key, a lane of their own: they wait for each other and for nothing else of their key. At most 1.1 KB,
 * however long the key is: all that is asked of a lane is whether it is the same.
 */
export function laneOf(record: ConsumedRecord, overtakingTopics: ReadonlySet<string>): string {
  if (record.key === null) return `\0${record.topic}/${record.partition}`;
  const key = record.key.length <= KEY_BYTES_MAX ? utf8Text(record.key) : digestOf(record.key);
  return overtakingTopics.has(record.topic) ? `${key}\0${record.topic}` : key;
}

function digestOf(key: Uint8Array): string {
  return `\0sha256:${createHash('sha256').update(key).digest('hex')}`;
}

/** The topics of the events whose reactions overtake, of one processor's group. */
export function overtakingTopics(
  processor: ProcessorDefinition | undefined,
  pipeline: PipelineDefinition,
  names: Names,
): ReadonlySet<string> {
  const types = new Set((processor?.reactions ?? []).filter(({ overtakes }) => overtakes === true).map(({ on }) => on));
  const events = pipeline.domains.flatMap((domain) => domain.events).filter(({ type }) => types.has(type));
  return new Set(events.map(({ route }) => names.eventTopic(route)));
}
