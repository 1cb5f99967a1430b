import { createHash } from 'node:crypto';
import type { PipelineDefinition } from '../../core/define-pipeline.ts';
import type { ProcessorDefinition } from '../../core/define.ts';
import type { Names } from '../../core/names.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import { keyTextOf } from '../../core/record.ts';

/** An index of PostgreSQL holds entries of up to 2.6 KB, and lanes are in two. */
const KEY_BYTES_MAX = 256;
/** A character of text is of at most three bytes. */
const KEY_CHARACTERS_SAFE = Math.floor(KEY_BYTES_MAX / 3);

/**
 * The lane of a record: what is handled one after another, in order. By key over all topics of the group, so that one user's
 * events never run beside each other; a record without a key has only its partition. The records of an overtaking topic have,
 * per key, a lane of their own: they wait for each other and for nothing else of their key. At most 1.1 KB,
 * however long the key is: all that is asked of a lane is whether it is the same.
 */
export function laneOf(record: ConsumedRecord, overtakingTopics: ReadonlySet<string>): string {
  const text = keyTextOf(record);
  if (text === undefined) return `\0${record.topic}/${record.partition}`;
  const key = text.length <= KEY_CHARACTERS_SAFE ? text : boundedText(text, record.key);
  return overtakingTopics.has(record.topic) ? `${key}\0${record.topic}` : key;
}

function boundedText(text: string, key: Uint8Array | null): string {
  return key === null || key.length <= KEY_BYTES_MAX ? text : digestOf(key);
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
