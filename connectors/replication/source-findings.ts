import type { ErrorCode } from '../../core/errors.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { ClusterFacts, TopicFacts } from '../../core/log-reader.ts';
import { LSN_ZERO, formatLsn } from '../../core/lsn.ts';
import type { CaptureSource } from './source.ts';
import type { SourceFacts } from './source-facts.ts';
import type { SlotFacts } from './slot.ts';
import type { RememberedTopic, SightedSlot, SourceRecord } from './source-record.ts';

/** Why a slot must not be streamed from as if nothing had happened: events may be missing. */
export const GAP_CODES = [
  'DATABASE_FOREIGN',
  'DATABASE_RESTORED',
  'DATABASE_FAILED_OVER',
  'CAPTURE_MEMORY_LOST',
  'SLOT_MISSING',
  'SLOT_LOST',
  'SLOT_YOUNGER',
  'SLOT_RECREATED',
  'SLOT_AHEAD',
  'PUBLICATION_MISSING',
  'PUBLICATION_YOUNGER',
  'PUBLICATION_CHANGED',
  'TOPIC_MISSING',
  'TOPIC_RECREATED',
  'TOPIC_TRUNCATED',
] as const satisfies readonly ErrorCode[];
export type GapCode = (typeof GAP_CODES)[number];

/** Findings that another reader of the slot leaves behind, and that a relay which moves meanwhile can feign. */
export const SLOT_IS_BEYOND: readonly GapCode[] = ['SLOT_AHEAD', 'SLOT_RECREATED'];

/** What the server says of these while it streams, the catalogue cannot tell afterwards. */
export const PUBLICATION_GAPS = ['PUBLICATION_MISSING', 'PUBLICATION_YOUNGER', 'PUBLICATION_CHANGED'] as const satisfies readonly GapCode[];

/** Gaps that a later look may not find again, and which are therefore written down. A restored database looks right once its log has grown. */
export const NOTED_GAPS = [...PUBLICATION_GAPS, 'DATABASE_RESTORED'] as const satisfies readonly GapCode[];

export interface Finding {
  readonly code: GapCode;
  readonly message: string;
  /** Of a finding about a topic: which one. */
  readonly topic?: string;
}

/** An error that names a gap. */
export type GapError = ClassifiedError & { readonly code: GapCode };

export function isGap(error: ClassifiedError): error is GapError {
  return (GAP_CODES as readonly string[]).includes(error.code);
}

export function findingError({ code, message }: Finding): ClassifiedError {
  return new ClassifiedError(code, message);
}

/**
 * A look that finds nothing any more proves that such a gap is over. A restored database could look right as soon as its log
 * has grown far enough.
 */
export function mayPass(code: ErrorCode): boolean {
  return !code.startsWith('DATABASE_');
}

/** The database may not be the one that was meant: nobody but a person can say. */
export function needsPerson(code: ErrorCode): boolean {
  return code === 'DATABASE_FOREIGN' || code === 'DATABASE_RESTORED';
}

/**
 * Everything in which the source differs from what is remembered of it, the gravest first: another database before another
 * slot before another publication before other topics. Pure.
 */
export function sourceFindings(
  source: CaptureSource,
  remembered: SourceRecord | undefined,
  facts: SourceFacts,
  cluster: ClusterFacts,
  nowMs: number,
): readonly Finding[] {
  const database = remembered === undefined ? memoryFindings(facts, cluster) : databaseFindings(remembered, facts);
  if (database.some(({ code }) => code === 'DATABASE_FOREIGN')) return database;
  return [
    ...database,
    ...slotFindings(source, remembered, facts),
    ...publicationFindings(source, remembered, facts),
    ...(remembered?.topics ?? []).flatMap((topic) => topicFindings(topic, cluster, nowMs)),
  ];
}

/** Differences of the topics alone: what a running relay looks for. */
export function topicsFindings(topics: readonly RememberedTopic[], cluster: ClusterFacts, nowMs: number): readonly Finding[] {
  return topics.flatMap((topic) => topicFindings(topic, cluster, nowMs));
}

function memoryFindings({ row }: SourceFacts, { clusterId }: ClusterFacts): Finding[] {
  if (row?.kafkaCluster === undefined) return [];
  const which = row.kafkaCluster === clusterId ? 'Kafka has forgotten' : 'this Kafka cluster is not the one that knew';
  return [{ code: 'CAPTURE_MEMORY_LOST', message: `${which} how far the capture was` }];
}

function databaseFindings(remembered: SourceRecord, facts: SourceFacts): Finding[] {
  if (remembered.systemIdentifier !== facts.systemIdentifier) {
    const message = `the server's system identifier is ${facts.systemIdentifier}, and was ${remembered.systemIdentifier}`;
    return [{ code: 'DATABASE_FOREIGN', message }];
  }
  const { timelineSwitch } = facts;
  if (timelineSwitch === 'unknown') {
    const message = `the server is on timeline ${facts.timeline}, which does not come from timeline ${remembered.timeline}`;
    return [{ code: 'DATABASE_RESTORED', message }];
  }
  const missing = facts.lastPublished === 'missing';
  if (timelineSwitch !== undefined) {
    const where = `timeline ${facts.timeline} began at ${formatLsn(timelineSwitch.at)}`;
    if (timelineSwitch.toTarget) return [{ code: 'DATABASE_RESTORED', message: `${where}, where a recovery target was set` }];
    const isBehind = missing || timelineSwitch.at < remembered.flushLsn;
    if (!isBehind && facts.lackingRows === 0) return [];
    const message = isBehind
      ? `${where}, behind what was published (up to ${formatLsn(remembered.flushLsn)})`
      : `${where}, and the outbox lacks ${facts.lackingRows} of the rows that were published last`;
    return [{ code: 'DATABASE_FAILED_OVER', message }];
  }
  if (facts.currentLsn < remembered.flushLsn) {
    const message = `the server's log ends at ${formatLsn(facts.currentLsn)}, and was published up to ${formatLsn(remembered.flushLsn)}`;
    return [{ code: 'DATABASE_RESTORED', message }];
  }
  if (missing) return [{ code: 'DATABASE_RESTORED', message: 'the outbox lacks the rows that were published last' }];
  if (remembered.gap === 'DATABASE_RESTORED') {
    return [{ code: 'DATABASE_RESTORED', message: 'the server was found to be older than what was published' }];
  }
  return [];
}

function slotFindings(source: CaptureSource, remembered: SourceRecord | undefined, { slot, row }: SourceFacts): Finding[] {
  if (slot === undefined) return [{ code: 'SLOT_MISSING', message: `there is no slot ${source.slot}` }];
  if (slot.walStatus === 'lost') {
    const reason = slot.invalidationReason === undefined ? '' : ` (${slot.invalidationReason})`;
    return [{ code: 'SLOT_LOST', message: `the slot ${source.slot} was invalidated${reason}` }];
  }
  const sighted = remembered?.sightedSlot;
  if (sighted?.madeAnew === true) {
    return [{ code: 'SLOT_RECREATED', message: `the slot ${source.slot} was made anew while another capture read from it` }];
  }
  if (sighted !== undefined && wasMadeAnew(sighted, slot)) {
    const message = `the slot ${source.slot} is another one than before: it has sent ${slot.transactionsSent} transactions, and that one ${sighted.transactionsSent}`;
    return [{ code: 'SLOT_RECREATED', message }];
  }
  const told = remembered?.flushLsn ?? row?.consistentPoint;
  if (told === LSN_ZERO) return [{ code: 'SLOT_YOUNGER', message: `the outbox held rows already when the slot ${source.slot} was made` }];
  if (told === undefined || slot.confirmedFlushLsn === undefined || slot.confirmedFlushLsn <= told) return [];
  const where = `the slot ${source.slot} stands at ${formatLsn(slot.confirmedFlushLsn)}, and was told nothing beyond ${formatLsn(told)}`;
  // A slot that nobody has read from since it was made. The server counts anew after a crash, so that this is only a name.
  const isUnread = slot.transactionsSent === 0n && sighted === undefined;
  return [{ code: isUnread ? 'SLOT_RECREATED' : 'SLOT_AHEAD', message: where }];
}

/**
 * A slot counts the transactions that it has sent, and a new one begins at 0. One that has overtaken the old count meanwhile is not
 * known, nor one that was made anew while the server counted anew.
 */
function wasMadeAnew(sighted: SightedSlot, slot: SlotFacts): boolean {
  return sighted.countedSince === slot.countedSince && slot.transactionsSent < BigInt(sighted.transactionsSent);
}

function publicationFindings(source: CaptureSource, remembered: SourceRecord | undefined, { publication, row }: SourceFacts): Finding[] {
  const { name, schema, table } = source.publication;
  if (publication === undefined) return [{ code: 'PUBLICATION_MISSING', message: `there is no publication ${name}` }];
  const known = remembered?.publication ?? row?.publication;
  if (known !== undefined && known.split('/')[0] !== publication.version.split('/')[0]) {
    return [{ code: 'PUBLICATION_YOUNGER', message: `the publication ${name} was made after its slot` }];
  }
  if (!publication.whole) {
    return [{ code: 'PUBLICATION_CHANGED', message: `the publication ${name} does not yield every insert into ${schema}.${table}` }];
  }
  if (known === undefined || known === publication.version) return metFindings(source, remembered);
  return [{ code: 'PUBLICATION_CHANGED', message: `the publication ${name} was changed, and rows may be missing` }];
}

/** The publication is the remembered one, and yet the server could not find it at a point of its log, or it was changed before that. */
function metFindings(source: CaptureSource, remembered: SourceRecord | undefined): Finding[] {
  const code = PUBLICATION_GAPS.find((each) => each === remembered?.gap);
  if (code === undefined) return [];
  return [{ code, message: `the stream met a publication ${source.publication.name} that did not yield every row` }];
}

function topicFindings(remembered: RememberedTopic, { topics }: ClusterFacts, nowMs: number): Finding[] {
  const { topic } = remembered;
  const found = topics.find((each) => each.topic === topic);
  if (found === undefined) return [{ code: 'TOPIC_MISSING', message: `the topic ${topic} was deleted`, topic }];
  if (found.id !== remembered.id) {
    return [{ code: 'TOPIC_RECREATED', message: `the topic ${topic} is not the one that was published to`, topic }];
  }
  const where = truncatedPartition(remembered, found, nowMs);
  return where === undefined ? [] : [{ code: 'TOPIC_TRUNCATED', message: `records are gone from ${topic}, partition ${where}`, topic }];
}

/** Clocks of brokers and capture may differ by so much. */
const CLOCK_SLACK_MS = 60_000;

/** A partition that ends before its remembered end, or lacks a record that time could not have removed yet. */
function truncatedPartition(remembered: RememberedTopic, found: TopicFacts, nowMs: number): number | undefined {
  for (const { partition, earliest, end } of found.partitions) {
    if (end < (remembered.ends[partition] ?? 0n)) return partition;
    if (found.removesYoung) continue;
    const oldestKeptMs = found.retentionMs === undefined ? -Infinity : nowMs - found.retentionMs + CLOCK_SLACK_MS;
    const removed = remembered.marks.some(
      (mark) => mark.partition === partition && mark.offset < earliest && mark.notBeforeMs > oldestKeptMs,
    );
    if (removed) return partition;
  }
  return undefined;
}
