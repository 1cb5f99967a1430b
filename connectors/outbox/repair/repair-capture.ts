import type { Clock } from '../../../core/clock.ts';
import type { PayloadEncoder } from '../../../core/codec.ts';
import type { DeadLetterDialect } from '../../../core/dead-letter-dialect.ts';
import { ClassifiedError } from '../../../core/errors.ts';
import type { LogReader, TopicFacts } from '../../../core/log-reader.ts';
import type { Logger } from '../../../core/log.ts';
import { formatLsn, maxLsn } from '../../../core/lsn.ts';
import type { Metrics } from '../../../core/metrics.ts';
import { NO_METRICS } from '../../../core/metrics.ts';
import type { Names } from '../../../core/names.ts';
import type { BatchProducer } from '../../../core/record-batch.ts';
import { withLongSqlSession } from '../../replication/long-sql-session.ts';
import type { CaptureSource } from '../../replication/source.ts';
import { writeSourceRow } from '../../replication/source-facts.ts';
import { findingError, needsPerson } from '../../replication/source-findings.ts';
import type { Assessment, SourceIdentity } from '../../replication/source-identity.ts';
import type { SourceMemory } from '../../replication/source-memory.ts';
import type { SourceRecord } from '../../replication/source-record.ts';
import type { Sql } from '../../replication/sql-session.ts';
import { withSqlSession } from '../../replication/sql-session.ts';
import type { PublisherOptions, PublisherSettings } from '../publisher.ts';
import { keptRoutes, MissingRows } from './missing-rows.ts';
import { MissingRowsPublisher } from './missing-rows-publisher.ts';
import { loadPublishedIds } from './published-ids.ts';
import type { Progress, RepairReport } from './repair-report.ts';
import type { PreparedSource } from './repair-slot.ts';
import { assertStanding, keepsSlot, prepareSource, unseenLog } from './repair-slot.ts';
import { topicsToRemember, untilDescribed } from './repair-topics.ts';

export interface RepairOptions {
  readonly domain: string;
  /** As the owner of the tables: it reads the outbox and writes what the database remembers. */
  readonly source: CaptureSource;
  /** As the role that may make slots. */
  readonly replicationUrl: string;
  readonly names: Names;
  readonly routes: ReadonlySet<string>;
  readonly identity: SourceIdentity;
  readonly memory: SourceMemory;
  readonly reader: LogReader;
  readonly producer: BatchProducer;
  readonly encoder: PayloadEncoder;
  /** Whose headers dead letters carry beside our own. */
  readonly deadLetterDialects: readonly DeadLetterDialect[];
  /** Makes the topics that are missing. */
  readonly ensureTopics: () => Promise<unknown>;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface RepairRequest {
  /** False: looks, compares, and changes nothing. */
  readonly apply: boolean;
  /** A person has said that the database is the one that is meant. */
  readonly confirmed: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

const FETCH_ROWS = 500;
const OPEN_POLL_MS = 100;
const DEAD_LETTERED = 'millrace_capture_dead_lettered_total';
const PUBLISHER_SETTINGS: PublisherSettings = {
  batchRowsMax: FETCH_ROWS,
  batchBytesMax: 900_000,
  lingerMs: 0,
  retryMaxMs: 5_000,
  pooledBytesMax: 16 * 1024 * 1024,
};

/**
 * Closes the gap of one domain (ADR 0012): publication, then slot, then what the outbox holds and the topics lack, published
 * in order under the same event ids; then, as the last step, the memory of a new epoch, by which a relay that stands in the gap
 * goes on. Until that step every start finds the gap again, so that it may be cut off anywhere and run once more.
 *
 * @throws ClassifiedError REPAIR_RUNNING, REPAIR_NEEDS_CONFIRMATION, SLOT_IN_USE, POSTGRES_UNAVAILABLE, KAFKA_UNAVAILABLE,
 * CONFIGURATION_INVALID; or the signal's reason.
 */
export async function repairCapture(options: RepairOptions, request: RepairRequest): Promise<RepairReport> {
  return withLongSqlSession(options.source.url, request.signal, async (sql) => {
    await lock(sql, options.source.slot);
    return new Repair(options, request, sql).run();
  });
}

/** Of this session: gone with it, however the process ends. */
async function lock(sql: Sql, slot: string): Promise<void> {
  const { rows } = await sql.query('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS mine', [`millrace repair ${slot}`]);
  if (!(rows[0] as { mine: boolean }).mine) throw new ClassifiedError('REPAIR_RUNNING', `the slot ${slot} is being repaired already`);
}

class Repair {
  private readonly options: RepairOptions;
  private readonly request: RepairRequest;
  private readonly sql: Sql;

  constructor(options: RepairOptions, request: RepairRequest, sql: Sql) {
    this.options = options;
    this.request = request;
    this.sql = sql;
  }

  async run(): Promise<RepairReport> {
    const { apply, confirmed, progress } = this.request;
    const assessment = await this.options.identity.assess();
    const { findings, facts } = assessment;
    const needsConfirmation = findings.some(({ code }) => needsPerson(code));
    const nothing = { checkedRows: 0, missing: [], deadLettered: undefined, phantoms: [], beyondRetentionRows: 0, oldestRow: undefined };
    const { domain, source, reader, ensureTopics, clock } = this.options;
    const keeps = keepsSlot(assessment);
    const unseen = unseenLog(assessment, keeps ? facts.slot?.confirmedFlushLsn : undefined);
    const lettersLost = findings.some(({ topic }) => topic === this.letters);
    const head = { domain, slot: source.slot, findings, needsConfirmation, newSlot: !keeps, unseenLog: unseen, lettersLost };
    const [gravest] = findings;
    const epochNow = assessment.remembered?.epoch;
    if (gravest === undefined) {
      return { ...head, ...nothing, newSlot: false, unseenLog: undefined, applied: false, epoch: epochNow };
    }
    if (apply && needsConfirmation && !confirmed) {
      throw new ClassifiedError('REPAIR_NEEDS_CONFIRMATION', gravest.message, { cause: findingError(gravest) });
    }
    if (apply && facts.slot?.active === true) {
      throw new ClassifiedError('SLOT_IN_USE', `somebody reads from the slot ${source.slot}; stop that before the repair`);
    }
    if (!apply) {
      progress('comparing the outbox with the topics');
      const { topics } = await reader.describe(this.topics());
      return { ...head, ...(await this.compare(topics)), applied: false, epoch: epochNow };
    }
    await ensureTopics();
    const prepared = await prepareSource(this.sql, assessment, { ...this.options, ...this.request });
    // From here on these are the topics: one that is made anew later is another one.
    const topics = await untilDescribed(reader, this.topics(), clock, this.request.signal);
    progress('comparing the outbox with the topics');
    const compared = await this.compare(topics);
    const epoch = await this.remember(assessment, prepared, topics);
    const { newSlot } = prepared;
    return { ...head, ...compared, newSlot, unseenLog: unseenLog(assessment, prepared.slotLsn), applied: true, epoch };
  }

  private get letters(): string {
    return this.options.names.captureDeadLetterTopic(this.options.domain);
  }

  private topics(): string[] {
    return [...[...this.options.routes].map((route) => this.options.names.eventTopic(route)), this.letters];
  }

  /** Compares in one snapshot, taken when everything that the slot will not send is visible; publishes when it is to. */
  private async compare(
    topics: readonly TopicFacts[],
  ): Promise<Pick<RepairReport, 'checkedRows' | 'missing' | 'deadLettered' | 'phantoms' | 'beyondRetentionRows' | 'oldestRow'>> {
    const { reader, names, routes, source, domain } = this.options;
    const { apply, progress, signal } = this.request;
    if (apply) await this.untilOpenOnesEnded();
    await loadPublishedIds(this.sql, reader, topics, signal, (records) => progress(`read ${records} records`));
    await this.sql.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await this.sql.query(`SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL bytea_output = 'hex'`);
    const rows = new MissingRows(this.sql, source, keptRoutes(names, domain, routes, topics));
    const counted = await rows.count(this.letters);
    const phantoms = await rows.phantoms();
    const total = counted.missing.reduce((sum, each) => sum + each.rows, 0);
    const deadLettered = apply ? await this.publish(rows, total) : undefined;
    await this.sql.query('COMMIT');
    await this.sql.query('DROP TABLE repair_published');
    return { ...counted, deadLettered, phantoms };
  }

  /**
   * A transaction can have written its commit to the log, before the slot's beginning, and not be visible yet (for long, when
   * it waits for a synchronous standby): neither slot nor snapshot would have it. So those that are open now end first.
   */
  private async untilOpenOnesEnded(): Promise<void> {
    const { clock } = this.options;
    const { rows } = await this.sql.query('SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS horizon');
    const { horizon } = rows[0] as { horizon: string };
    for (let waited = 0; ; waited += 1) {
      const open = await this.sql.query('SELECT pg_snapshot_xmin(pg_current_snapshot()) < $1::xid8 AS open', [horizon]);
      if (!(open.rows[0] as { open: boolean }).open) return;
      if (waited === 10) this.request.progress('waiting for transactions that were open when the slot was made');
      await clock.sleep(OPEN_POLL_MS, this.request.signal);
    }
  }

  /** Returns how many of the rows became dead letters. */
  private async publish(rows: MissingRows, total: number): Promise<number> {
    const { domain, names, routes, producer, encoder, logger, clock, metrics } = this.options;
    const relation = await rows.relation();
    let letters = 0;
    const options: Omit<PublisherOptions, 'onAstray'> = {
      ...{ domain, names, routes, producer, encoder, logger, clock, lifetime: this.request.signal, settings: PUBLISHER_SETTINGS },
      service: `repair.${domain}`,
      deadLetterDialects: this.options.deadLetterDialects,
      // Rows of a repair are old by nature: they are not the capture's latency.
      metrics: {
        ...NO_METRICS,
        count: (name, _labels, by = 1) => {
          if (name === DEAD_LETTERED) letters += by;
        },
      },
      failpoint: undefined,
    };
    const publisher = new MissingRowsPublisher(options, relation);
    let published = 0;
    try {
      for await (const batch of rows.read(relation, FETCH_ROWS)) {
        await publisher.publish(batch);
        published += batch.length;
        metrics.count('millrace_capture_repaired_rows_total', { domain }, batch.length);
        this.request.progress(`published ${published} of ${total} missing rows`);
      }
    } finally {
      publisher.close();
    }
    return letters;
  }

  /**
   * First Kafka, which ends the gap, then the database. What is remembered is what the repair began with: whatever differs now, or
   * from now on, is found, here or by the next look.
   */
  private async remember(assessment: Assessment, prepared: PreparedSource, compared: readonly TopicFacts[]): Promise<number> {
    const { source, memory, reader, clock } = this.options;
    const { remembered, facts, cluster, findings } = assessment;
    const topics = await topicsToRemember(reader, compared, clock.nowMs());
    await assertStanding(this.sql, source, prepared);
    const epoch = Math.max(remembered?.epoch ?? 0, facts.row?.epoch ?? 0) + 1;
    // Positions of another history do not compare.
    const isSame = !prepared.newSlot && remembered !== undefined && !findings.some(({ code }) => code.startsWith('DATABASE_'));
    const told = isSame ? maxLsn(remembered.flushLsn, prepared.slotLsn) : prepared.slotLsn;
    this.request.signal.throwIfAborted();
    const known = { epoch, publication: prepared.publication, kafkaCluster: cluster.clusterId };
    await memory.write({
      ...known,
      slot: source.slot,
      systemIdentifier: facts.systemIdentifier,
      timeline: facts.timeline,
      flushLsn: told,
      ...(facts.lastPublished === 'there' ? pickPublished(remembered) : { lastPublished: undefined }),
      topics,
      writtenAtMs: clock.nowMs(),
    });
    await withSqlSession(source.url, (sql) => writeSourceRow(sql, source, { ...known, consistentPoint: formatLsn(told) }));
    await memory.forget(source.slot, epoch);
    return epoch;
  }
}

function pickPublished(remembered: SourceRecord | undefined): Pick<SourceRecord, 'lastPublished' | 'publishedBefore'> {
  return { lastPublished: remembered?.lastPublished, publishedBefore: remembered?.publishedBefore };
}
