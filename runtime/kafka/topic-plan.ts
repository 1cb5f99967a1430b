import type { TopicDeclaration } from '../../core/broker.ts';

/** What a broker holds of a topic, as far as a declaration can say something about it. */
export interface ExistingTopic {
  readonly partitions: number;
  /** Effective values, the broker's defaults included. */
  readonly config: ReadonlyMap<string, string>;
}

export type TopicChange =
  | { readonly kind: 'create'; readonly topic: TopicDeclaration; readonly config: ReadonlyMap<string, string> }
  | { readonly kind: 'add-partitions'; readonly topic: string; readonly from: number; readonly to: number }
  | { readonly kind: 'configure'; readonly topic: string; readonly config: ReadonlyMap<string, string> };

/**
 * The difference between what is declared and what exists. Pure. Partitions are only ever added: taking some away would
 * move keys and lose records, and the replication factor of an existing topic is the operator's.
 */
export function planTopics(declared: readonly TopicDeclaration[], existing: ReadonlyMap<string, ExistingTopic>): readonly TopicChange[] {
  return declared.flatMap((topic) => planTopic(topic, existing));
}

/** One sentence per change, for people. */
export function describeTopicChange(change: TopicChange): string {
  switch (change.kind) {
    case 'create':
      return `topic ${change.topic.topic}: created with ${change.topic.partitions} partitions, ${settings(change.config)}`;
    case 'add-partitions':
      return `topic ${change.topic}: partitions ${change.from} → ${change.to}`;
    case 'configure':
      return `topic ${change.topic}: set ${settings(change.config)}`;
  }
}

/** Settings of a declaration as the broker names them. */
export function declaredConfig(topic: TopicDeclaration): ReadonlyMap<string, string> {
  return new Map([['retention.ms', topic.retentionMs.toString()], ...Object.entries(topic.config ?? {})]);
}

const BYTES_MAX = 'max.message.bytes';

/**
 * The declared settings, but with no smaller limit for records than somebody has set since; and where the topic holds the letters of
 * another one, with room for whatever that one takes: a letter that is refused keeps its partition waiting.
 */
function wantedConfig(declared: TopicDeclaration, all: ReadonlyMap<string, ExistingTopic>): ReadonlyMap<string, string> {
  const config = declaredConfig(declared);
  const limit = (topic: string): number => Number(all.get(topic)?.config.get(BYTES_MAX) ?? 0);
  const { lettersOf } = declared;
  const source = lettersOf === undefined ? 0 : limit(lettersOf.topic);
  const needed = lettersOf === undefined || source === 0 ? 0 : Math.min(source + lettersOf.roomBytes, INT32_MAX);
  const bytes = config.has(BYTES_MAX) ? Math.max(Number(config.get(BYTES_MAX)), limit(declared.topic), needed) : 0;
  return bytes === 0 ? config : new Map([...config, [BYTES_MAX, bytes.toString()]]);
}

const INT32_MAX = 2_147_483_647;

/** The declared ones, or as many as the topic has whose letters it holds: a letter goes to the partition of its record, whoever has added that. */
function wantedPartitions({ partitions, lettersOf }: TopicDeclaration, all: ReadonlyMap<string, ExistingTopic>): number {
  return lettersOf === undefined ? partitions : Math.max(partitions, all.get(lettersOf.topic)?.partitions ?? 0);
}

function planTopic(declaration: TopicDeclaration, all: ReadonlyMap<string, ExistingTopic>): TopicChange[] {
  const declared = { ...declaration, partitions: wantedPartitions(declaration, all) };
  const existing = all.get(declared.topic);
  const wanted = wantedConfig(declared, all);
  if (existing === undefined) return [{ kind: 'create', topic: declared, config: wanted }];
  const changes: TopicChange[] = [];
  if (existing.partitions < declared.partitions) {
    changes.push({ kind: 'add-partitions', topic: declared.topic, from: existing.partitions, to: declared.partitions });
  }
  const different = [...wanted].filter(([name, value]) => existing.config.get(name) !== value);
  if (different.length > 0) changes.push({ kind: 'configure', topic: declared.topic, config: new Map(different) });
  return changes;
}

function settings(config: ReadonlyMap<string, string>): string {
  return [...config].map(([name, value]) => `${name}=${value}`).join(', ');
}
