import type { ErrorCode } from '../../core/errors.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Lsn } from '../../core/lsn.ts';
import { formatLsn, maxLsn, parseLsn } from '../../core/lsn.ts';
import type { Offset } from '../../core/offset.ts';
import { offset } from '../../core/offset.ts';

/** A row that Kafka has acknowledged, as the outbox table finds it again. */
export interface PublishedRow {
  readonly id: string;
  /** The server's text form. */
  readonly createdAt: string;
  /** Start of its commit record. */
  readonly commitLsn: Lsn;
}

/** A record of the partition that was there, at this offset and not older than this: time may remove it only later. */
export interface TopicMark {
  readonly partition: number;
  readonly offset: Offset;
  readonly notBeforeMs: number;
}

export interface RememberedTopic {
  readonly topic: string;
  readonly id: string;
  /** The next offset of each partition, by its number. */
  readonly ends: readonly Offset[];
  readonly marks: readonly TopicMark[];
  /** Below these a repair has compared the topic with the outbox, and named what the outbox lacks. */
  readonly compared?: readonly Offset[];
}

/** How much a slot had sent when it was seen last, while another capture read from it. */
export interface SightedSlot {
  /** A decimal number. */
  readonly transactionsSent: string;
  readonly countedSince: string;
  /** The slot that was there next had sent less: it is another one. */
  readonly madeAnew: boolean;
}

/**
 * What the capture remembers of one slot's source, so that it can tell another source, or an older one, from its own.
 *
 * `flushLsn` is the highest position that may have been told to the slot: it is written here before it is told there.
 */
export interface SourceRecord {
  readonly slot: string;
  /** Counted up by every repair: a memory of an older epoch counts nothing, whoever writes it and when. */
  readonly epoch: number;
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly flushLsn: Lsn;
  /** The publication's version (see `sightPublication`). */
  readonly publication: string;
  readonly lastPublished: PublishedRow | undefined;
  /** One of an earlier transaction. */
  readonly publishedBefore?: PublishedRow | undefined;
  readonly kafkaCluster: string;
  readonly topics: readonly RememberedTopic[];
  /** A gap that the stream met and no later look can see. It stands until a repair begins a new epoch. */
  readonly gap?: ErrorCode | undefined;
  /** Left out while the slot is the relay's, which knows it by its position. */
  readonly sightedSlot?: SightedSlot | undefined;
  readonly writtenAtMs: number;
}

/** The key under which a record is kept. */
export function sourceRecordKey(record: Pick<SourceRecord, 'slot' | 'epoch'>): string {
  return `${record.slot}#${record.epoch}`;
}

/**
 * The memory that counts among everything that was found: the newest epoch, its latest record, and the highest position of
 * all of them, because a relay that lost its slot without noticing may have written last. A gap that any of them met counts.
 */
export function foldSourceRecords(found: readonly SourceRecord[]): SourceRecord | undefined {
  let folded: SourceRecord | undefined;
  for (const record of found) {
    if (folded === undefined || record.epoch > folded.epoch) folded = record;
    else if (record.epoch === folded.epoch) {
      const flushLsn = maxLsn(folded.flushLsn, record.flushLsn);
      const gap = folded.gap ?? record.gap;
      folded = { ...(record.flushLsn >= folded.flushLsn ? record : folded), flushLsn, ...(gap === undefined ? {} : { gap }) };
    }
  }
  return folded;
}

export function formatSourceRecord(record: SourceRecord): string {
  const { lastPublished: last, publishedBefore: before } = record;
  return JSON.stringify({
    ...record,
    flushLsn: formatLsn(record.flushLsn),
    ...(last === undefined ? {} : { lastPublished: writtenRow(last) }),
    ...(before === undefined ? {} : { publishedBefore: writtenRow(before) }),
    topics: record.topics.map((topic) => ({
      ...topic,
      ends: topic.ends.map(String),
      ...(topic.compared === undefined ? {} : { compared: topic.compared.map(String) }),
      marks: topic.marks.map((mark) => ({ ...mark, offset: mark.offset.toString() })),
    })),
  });
}

/** @throws ClassifiedError CONFIGURATION_INVALID when it is not what `formatSourceRecord` writes. */
export function parseSourceRecord(text: string): SourceRecord {
  try {
    const { lastPublished: last, publishedBefore: before, ...json } = JSON.parse(text) as Written;
    return {
      ...json,
      flushLsn: parseLsn(json.flushLsn),
      lastPublished: last === undefined ? undefined : readRow(last),
      ...(before === undefined ? {} : { publishedBefore: readRow(before) }),
      topics: json.topics.map(({ compared, ...topic }) => ({
        ...topic,
        ...(compared === undefined ? {} : { compared: compared.map(offset) }),
        ends: topic.ends.map(offset),
        marks: topic.marks.map((mark) => ({ ...mark, offset: offset(mark.offset) })),
      })),
    };
  } catch (thrown) {
    throw new ClassifiedError('CONFIGURATION_INVALID', 'a record of the capture.sources topic is not readable', { cause: thrown });
  }
}

function writtenRow(row: PublishedRow): WrittenRow {
  return { ...row, commitLsn: formatLsn(row.commitLsn) };
}

function readRow(row: WrittenRow): PublishedRow {
  return { ...row, commitLsn: parseLsn(row.commitLsn) };
}

type WrittenRow = Omit<PublishedRow, 'commitLsn'> & { readonly commitLsn: string };

interface Written extends Omit<SourceRecord, 'flushLsn' | 'lastPublished' | 'publishedBefore' | 'topics'> {
  readonly flushLsn: string;
  readonly lastPublished?: WrittenRow;
  readonly publishedBefore?: WrittenRow;
  readonly topics: readonly {
    readonly topic: string;
    readonly id: string;
    readonly ends: readonly string[];
    readonly compared?: readonly string[];
    readonly marks: readonly (Omit<TopicMark, 'offset'> & { readonly offset: string })[];
  }[];
}
