import type { Clock } from '../../core/clock.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { ClusterFacts, LogReader } from '../../core/log-reader.ts';
import type { Logger } from '../../core/log.ts';
import type { Lsn } from '../../core/lsn.ts';
import { formatLsn, maxLsn } from '../../core/lsn.ts';
import type { CaptureSource } from './source.ts';
import type { TailRow } from './published-tails.ts';
import { readTail } from './published-tails.ts';
import { hasMoved, rememberTopic } from './remembered-topics.ts';
import type { SourceFacts } from './source-facts.ts';
import { readSourceFacts, writeSourceRow } from './source-facts.ts';
import type { Finding, GapCode } from './source-findings.ts';
import { NOTED_GAPS, SLOT_IS_BEYOND, findingError, sourceFindings, topicsFindings } from './source-findings.ts';
import type { SourceMemory } from './source-memory.ts';
import type { PublishedRow, SourceRecord } from './source-record.ts';
import { withSqlSession } from './sql-session.ts';

export interface SourceIdentityOptions {
  /** By the owner of the tables: outbox and `capture_sources` are read and written. */
  readonly source: CaptureSource;
  /** By a role that may use the replication protocol. */
  readonly replicationUrl: string;
  /** Every topic that the capture of this source publishes events to. */
  readonly topics: readonly string[];
  /** Its dead-letter topic. Whoever purges it removes young records by right, so that only its id and its ends are looked at. */
  readonly letters: string;
  /** Days for which a row stays in the outbox at least. */
  readonly outboxKeptDays: number;
  readonly memory: SourceMemory;
  readonly reader: LogReader;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Between two looks at the topics at least. */
  readonly topicLookMs?: number;
}

const TOPIC_LOOK_MS = 10_000;
/** From a commit to its record in the topic: rows that are later get no mark of their own. */
const MARK_SLACK_MS = 60_000;

/** How often a finding that a relay which moves meanwhile can feign is looked at again. */
const ASSESSMENTS_MAX = 10;

/** The source and the memory of it, side by side. */
export interface Assessment {
  readonly remembered: SourceRecord | undefined;
  readonly facts: SourceFacts;
  readonly cluster: ClusterFacts;
  /** What differs, the gravest first; empty when all is well. */
  readonly findings: readonly Finding[];
}

/**
 * Knows whether the source is still the one that was captured, and remembers how far it was (ADR 0010).
 *
 * The order of writes is its whole point: a position is written to the memory before it is told to the slot. So the slot
 * stands at or below what is remembered, whenever the process dies; and whatever stands beyond was not moved by us.
 */
export class SourceIdentity {
  private readonly options: SourceIdentityOptions;
  private record: SourceRecord | undefined;
  /** Looked at once more since the stream began: from then on nobody else can make the slot anew. */
  private proven = false;
  /** In a gap that was noted: nothing is confirmed until the next check. */
  private stands = false;
  private lastTopicLookMs = -Infinity;
  /** By the clock of the day: from when on records of the topics have no mark yet. */
  private markedUntilMs: number | undefined;

  constructor(options: SourceIdentityOptions) {
    this.options = options;
  }

  /** Looks at everything, and changes nothing. @throws ClassifiedError POSTGRES_UNAVAILABLE, KAFKA_UNAVAILABLE, CONFIGURATION_INVALID. */
  async assess(): Promise<Assessment> {
    const { source, memory } = this.options;
    let remembered = await memory.read(source.slot);
    for (let attempt = 1; ; attempt += 1) {
      const assessment = await this.compare(remembered);
      // A relay may have moved both, the memory first, after we had read the memory.
      if (attempt === ASSESSMENTS_MAX || !assessment.findings.some(({ code }) => SLOT_IS_BEYOND.includes(code))) return assessment;
      const renewed = await memory.read(source.slot);
      if (renewed?.epoch === remembered?.epoch) return wasTold(assessment, renewed?.flushLsn);
      remembered = renewed;
    }
  }

  private async compare(remembered: SourceRecord | undefined): Promise<Assessment> {
    const { source, reader, topics, letters, clock } = this.options;
    // Side by side: each is compared with what is remembered, which was read before.
    const described = reader.describe([...topics, letters]);
    const [cluster, facts] = await Promise.all([
      described,
      withSqlSession(source.url, (sql) => readSourceFacts(sql, this.options, remembered, () => this.tails(remembered, described))),
    ]);
    return { remembered, facts, cluster, findings: sourceFindings(source, remembered, facts, cluster, clock.nowMs()) };
  }

  /** What was published last by the word of the topics: the memory trails them by a moment. */
  private async *tails(remembered: SourceRecord | undefined, described: Promise<ClusterFacts>): AsyncGenerator<readonly TailRow[]> {
    const { topics } = await described;
    for (const facts of topics) {
      if (facts.topic === this.options.letters) continue;
      const known = remembered?.topics.find(({ topic, id }) => topic === facts.topic && id === facts.id);
      yield await readTail(this.options.reader, facts, known);
    }
  }

  /**
   * To be called before a stream begins: rejects with the gravest difference, as its own error code. A source that nobody
   * remembers yet is remembered from here on.
   */
  async check(): Promise<void> {
    const { remembered, facts, cluster, findings } = await this.assess();
    const [gravest] = findings;
    if (gravest !== undefined) throw findingError(gravest);
    const known = remembered ?? firstRecord(this.options.source, facts, cluster);
    this.record = { ...known, timeline: facts.timeline };
    this.stands = false;
    this.proven = false;
    this.lastTopicLookMs = -Infinity;
    this.markedUntilMs = this.options.clock.nowMs();
    if (remembered?.timeline === facts.timeline && facts.row?.kafkaCluster === cluster.clusterId) return;
    await this.remember(this.record, facts);
  }

  /**
   * Resolves when the position may be told to the slot: it is in the memory, and the topics are what they were. False when
   * that cannot be said now. To be called while the stream holds the slot.
   * @throws ClassifiedError TOPIC_MISSING, TOPIC_RECREATED, TOPIC_TRUNCATED; any gap the first time after a check.
   */
  async confirm(position: Lsn, lastPublished: PublishedRow | undefined): Promise<boolean> {
    if (this.record === undefined) return false;
    await this.prove();
    const looked = await this.lookAtTopics(this.record);
    if (this.stands) return false; // a write without the gap would hide it
    if (position <= looked.flushLsn && looked === this.record) return true;
    const { lastPublished: last } = looked;
    const isNew = lastPublished !== undefined && lastPublished.commitLsn !== last?.commitLsn;
    const next = {
      ...looked,
      flushLsn: maxLsn(looked.flushLsn, position),
      ...(isNew ? { lastPublished, publishedBefore: last } : {}),
      writtenAtMs: this.options.clock.nowMs(),
    };
    await this.options.memory.write(next);
    this.record = next;
    return true;
  }

  /**
   * After a handover from another capture of the same slot: where the slot stands was told by that one, and is remembered as
   * told. To be called while nobody reads from the slot. Rejects with the gravest other difference, and changes nothing then.
   */
  async adopt(): Promise<void> {
    const { remembered, facts, cluster, findings } = await this.assess();
    const gravest = findings.find(({ code }) => !SLOT_IS_BEYOND.includes(code));
    if (gravest !== undefined) throw findingError(gravest);
    const known = remembered ?? firstRecord(this.options.source, facts, cluster);
    const flushLsn = maxLsn(known.flushLsn, facts.slot?.confirmedFlushLsn ?? known.flushLsn);
    await this.remember({ ...known, flushLsn, timeline: facts.timeline, sightedSlot: undefined }, facts);
  }

  /**
   * To be called from time to time while another capture reads from the slot, which knows nothing of this memory: notes how much
   * the slot has sent, by which one that is made anew meanwhile is known, and remembers when it was. Returns the gravest
   * difference; that the slot has moved is none. @throws as `assess` does.
   */
  async sight(): Promise<Finding | undefined> {
    const { remembered, facts, cluster, findings } = await this.assess();
    const gravest = findings.find(({ code }) => code !== 'SLOT_AHEAD');
    if (gravest === undefined && facts.slot !== undefined) {
      const { transactionsSent, countedSince } = facts.slot;
      const known = remembered ?? firstRecord(this.options.source, facts, cluster);
      const sightedSlot = { transactionsSent: String(transactionsSent), countedSince, madeAnew: false };
      await this.options.memory.write({ ...known, sightedSlot, writtenAtMs: this.options.clock.nowMs() });
    } else if (gravest?.code === 'SLOT_RECREATED' && remembered?.sightedSlot?.madeAnew === false) {
      const sightedSlot = { ...remembered.sightedSlot, madeAnew: true };
      await this.options.memory.write({ ...remembered, sightedSlot, writtenAtMs: this.options.clock.nowMs() });
    }
    return gravest;
  }

  /**
   * Remembers a gap that the relay met and that a later look may not find again, so that a repair in whatever
   * process knows of it. Nothing is written of other gaps, nor of a source that is not remembered yet.
   */
  async noteGap(code: GapCode): Promise<void> {
    if (!NOTED_GAPS.some((each) => each === code)) return;
    this.stands = true;
    const { source, memory, clock } = this.options;
    const remembered = await memory.read(source.slot);
    if (remembered === undefined || remembered.gap !== undefined) return;
    await memory.write({ ...remembered, gap: code, writtenAtMs: clock.nowMs() });
  }

  /** Whether nothing differs from what is remembered. @throws as `assess` does. */
  async isClean(): Promise<boolean> {
    return (await this.assess()).findings.length === 0;
  }

  /** The epoch that is remembered now: another one after a repair. */
  async rememberedEpoch(): Promise<number> {
    return (await this.options.memory.read(this.options.source.slot))?.epoch ?? 0;
  }

  /** Between the check and the begin of the stream the slot could still be dropped and made again; it stands where it was as long as nothing is told. */
  private async prove(): Promise<void> {
    if (this.proven) return;
    const [gravest] = (await this.assess()).findings;
    if (gravest !== undefined) throw findingError(gravest);
    this.proven = true;
  }

  private async lookAtTopics(record: SourceRecord): Promise<SourceRecord> {
    const { clock, reader, topics, letters, topicLookMs = TOPIC_LOOK_MS } = this.options;
    if (clock.monotonicMs() - this.lastTopicLookMs < topicLookMs) return record;
    const nowMs = clock.nowMs();
    const cluster = await reader.describe([...topics, letters]);
    const [gravest] = topicsFindings(record.topics, cluster, nowMs);
    if (gravest !== undefined) throw findingError(gravest);
    this.lastTopicLookMs = clock.monotonicMs();
    const moved = cluster.topics.filter((facts) =>
      hasMoved(
        record.topics.find(({ topic }) => topic === facts.topic),
        facts,
      ),
    );
    const sinceMs = this.markedUntilMs === undefined ? undefined : this.markedUntilMs - MARK_SLACK_MS;
    this.markedUntilMs = nowMs;
    if (moved.length === 0) return record;
    const renewed = await Promise.all(
      moved.map((facts) =>
        rememberTopic(
          reader,
          record.topics.find(({ topic }) => topic === facts.topic),
          facts,
          facts.topic === letters ? undefined : sinceMs,
        ),
      ),
    );
    const others = record.topics.filter(({ topic }) => !renewed.some((each) => each.topic === topic));
    return { ...record, topics: [...others, ...renewed].sort((a, b) => (a.topic < b.topic ? -1 : 1)) };
  }

  /** First Kafka, then the database: a row that names the cluster says that the memory is there. */
  private async remember(record: SourceRecord, facts: SourceFacts): Promise<void> {
    const { memory, source, logger, clock } = this.options;
    await memory.write({ ...record, writtenAtMs: clock.nowMs() });
    await withSqlSession(source.url, (sql) =>
      writeSourceRow(sql, source, {
        epoch: record.epoch,
        consistentPoint: formatLsn(facts.row?.consistentPoint ?? record.flushLsn),
        publication: facts.row?.publication ?? record.publication,
        kafkaCluster: record.kafkaCluster,
      }),
    );
    logger.info({ slot: source.slot, epoch: record.epoch, timeline: record.timeline }, 'the source is remembered');
  }
}

/** The slot was looked at before this position was read from the memory: where it stands was told, however fast a relay moves both. */
function wasTold(assessment: Assessment, flushLsn: Lsn | undefined): Assessment {
  const { slot } = assessment.facts;
  // Positions of another history do not compare.
  if (assessment.findings.some(({ code }) => code.startsWith('DATABASE_'))) return assessment;
  if (flushLsn === undefined || slot?.confirmedFlushLsn === undefined || slot.confirmedFlushLsn > flushLsn) return assessment;
  return { ...assessment, findings: assessment.findings.filter(({ code }) => !SLOT_IS_BEYOND.includes(code)) };
}

/** @throws ClassifiedError SLOT_MISSING, PUBLICATION_MISSING; neither can be when there was no finding. */
function firstRecord(source: CaptureSource, facts: SourceFacts, { clusterId }: ClusterFacts): SourceRecord {
  if (facts.slot?.confirmedFlushLsn === undefined) throw new ClassifiedError('SLOT_MISSING', `there is no slot ${source.slot}`);
  if (facts.publication === undefined)
    throw new ClassifiedError('PUBLICATION_MISSING', `there is no publication ${source.publication.name}`);
  return {
    slot: source.slot,
    epoch: facts.row?.epoch ?? 1,
    systemIdentifier: facts.systemIdentifier,
    timeline: facts.timeline,
    flushLsn: facts.row?.consistentPoint ?? facts.slot.confirmedFlushLsn,
    publication: facts.publication.version,
    lastPublished: undefined,
    kafkaCluster: clusterId,
    topics: [],
    writtenAtMs: 0,
  };
}
