import type { BrokerDriver } from '../../core/broker.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import { headerText, utf8Text } from '../../core/record.ts';
import type { CaptureDatabase, CommittedEvent, FiredEvent } from '../support/capture-database.ts';
import { eventually } from '../support/eventually.ts';
import type { AcknowledgeWitness } from '../support/wire/acknowledge-witness.ts';
import type { Workload } from './workload.ts';

/** What is in the source, in the topics and on the wire, once all is quiet. */
export interface Evidence {
  readonly rows: readonly OutboxRowSeen[];
  readonly records: readonly ConsumedRecord[];
  readonly letters: readonly ConsumedRecord[];
  /** Rows and messages in commit order; undefined when the server cannot tell it any more. */
  readonly commits: readonly CommittedEvent[] | undefined;
}

export type OutboxRowSeen = FiredEvent;

export interface Expected {
  /** Rows that must be dead letters, and in no topic. */
  readonly deadLettered?: ReadonlySet<string>;
  /** Rows that may be missing, because the topic that held them was deleted. */
  readonly excused?: ReadonlySet<string>;
  /** Rows that were committed and are not in the table any more. */
  readonly truncated?: readonly OutboxRowSeen[];
  /** Rows came by a repair: in order per stream, but across the streams of a key by the begin of their transactions, which the table knows. */
  readonly repaired?: boolean;
  /** The value is the payload's own text. Default true. */
  readonly valuesAreText?: boolean;
}

export interface Verdict {
  readonly rows: number;
  readonly records: number;
  readonly duplicates: number;
}

/**
 * Judges one run, of a logical message as of a row: every committed row is in its topic or, when it was bound for it, in the dead-letter topic (I3); nothing else
 * is (I2), and nothing is mixed up; versions of a stream begin at 1 and leave none out, rows of a key come in commit order, by
 * their first occurrence (I5); what a writer knows of its commits is true (I1); and the acknowledge rule held on the wire (I7).
 * Duplicates are allowed and counted.
 * @throws Error that names every breach.
 */
export function judge(evidence: Evidence, workloads: readonly Workload[], witness: AcknowledgeWitness, expected: Expected = {}): Verdict {
  const rows = new Map([...evidence.rows, ...firedEvents(evidence, workloads), ...(expected.truncated ?? [])].map((row) => [row.id, row]));
  const breaches = [
    ...writersAreRight(rows, workloads),
    ...nothingUnknown(rows, evidence.records, expected),
    ...nothingMissing(rows, evidence, expected),
    ...streamsInOrder(rows, evidence.records, expected),
    ...keysInOrder(rows, evidence, expected),
  ];
  const early = witness.judge(evidence.commits ?? []);
  if (early !== undefined) breaches.push(`I7: ${early}`);
  if (breaches.length > 0) throw new Error(`${breaches.length} breaches:\n  ${breaches.slice(0, 10).join('\n  ')}`);
  const distinct = new Set(evidence.records.map(idOf)).size;
  return { rows: rows.size, records: evidence.records.length, duplicates: evidence.records.length - distinct };
}

/** As the server's log has them; where that cannot be read any more, as their writers know them. */
function firedEvents({ commits }: Evidence, workloads: readonly Workload[]): FiredEvent[] {
  if (commits === undefined) return workloads.flatMap(({ fired }) => fired);
  return commits.flatMap(({ fired }) => (fired === undefined ? [] : [fired]));
}

function writersAreRight(rows: ReadonlyMap<string, unknown>, workloads: readonly Workload[]): string[] {
  return workloads.flatMap(({ committed, rolledBack }) => [
    ...[...committed].filter((id) => !rows.has(id)).map((id) => `I1: row ${id} was committed and is not in the outbox`),
    ...[...rolledBack].filter((id) => rows.has(id)).map((id) => `I1: row ${id} was rolled back and is in the outbox`),
  ]);
}

function nothingUnknown(rows: ReadonlyMap<string, OutboxRowSeen>, records: readonly ConsumedRecord[], expected: Expected): string[] {
  return records.flatMap((record) => {
    const id = idOf(record);
    const row = rows.get(id);
    if (row === undefined) return [`I2: record ${id} is no committed row`];
    if (expected.deadLettered?.has(id) === true) return [`I2: record ${id} is in a topic and had to be a dead letter`];
    const same =
      record.topic.endsWith(`events.${row.topic}`) &&
      utf8Text(record.key!) === row.key &&
      headerText(record.headers, 'stream_id') === row.streamId &&
      headerText(record.headers, 'version') === String(row.version) &&
      (expected.valuesAreText === false || utf8Text(record.value!) === row.payload);
    return same ? [] : [`I2: record ${id} is not what its row says`];
  });
}

function nothingMissing(rows: ReadonlyMap<string, OutboxRowSeen>, evidence: Evidence, expected: Expected): string[] {
  const published = new Set(evidence.records.map(idOf));
  const letters = new Set(evidence.letters.map(idOf));
  return [...rows.keys()].flatMap((id) => {
    if (expected.deadLettered?.has(id) === true) return letters.has(id) ? [] : [`I3: row ${id} is not among the dead letters`];
    if (letters.has(id)) return [`I3: row ${id} is a dead letter`];
    if (published.has(id) || expected.excused?.has(id) === true) return [];
    return [`I3: row ${id} is lost`];
  });
}

function streamsInOrder(rows: ReadonlyMap<string, OutboxRowSeen>, records: readonly ConsumedRecord[], expected: Expected): string[] {
  const streams = new Map<string, { next: number; partition: number }>();
  const leftOut = new Set([...(expected.deadLettered ?? []), ...(expected.excused ?? [])].map((id) => versionOf(rows.get(id))));
  return firstOccurrences(records).flatMap((record) => {
    const row = rows.get(idOf(record));
    if (row === undefined) return [];
    const stream = streams.get(row.streamId) ?? { next: 1, partition: record.partition };
    streams.set(row.streamId, stream);
    while (leftOut.has(`${row.streamId} ${stream.next}`) && stream.next < row.version) stream.next += 1;
    const right = row.version === stream.next && record.partition === stream.partition;
    const breach = `I5: ${row.streamId} version ${row.version} came in partition ${record.partition} where version ${stream.next} was due`;
    stream.next = row.version + 1;
    return right ? [] : [breach];
  });
}

function versionOf(row: OutboxRowSeen | undefined): string {
  return row === undefined ? '' : `${row.streamId} ${row.version}`;
}

/** By the server's own commit order, which is not the order of ids, of times or of statements. */
function keysInOrder(rows: ReadonlyMap<string, OutboxRowSeen>, evidence: Evidence, expected: Expected): string[] {
  if (evidence.commits === undefined || expected.repaired === true) return [];
  const place = new Map(evidence.commits.map(({ id }, index) => [id, index]));
  const unplaced = [...rows.keys()].filter((id) => !place.has(id)).map((id) => `I5: row ${id} has no place in the commit order`);
  const last = new Map<string, number>();
  const breaches = firstOccurrences(evidence.records).flatMap((record) => {
    const key = `${record.topic} ${utf8Text(record.key!)}`;
    const at = place.get(idOf(record)) ?? 0;
    const right = at >= (last.get(key) ?? -1);
    last.set(key, at);
    return right || expected.excused?.has(idOf(record)) === true ? [] : [`I5: record ${idOf(record)} came too late for its key`];
  });
  return [...unplaced, ...breaches];
}

/** In the order of the topics' partitions. */
function firstOccurrences(records: readonly ConsumedRecord[]): ConsumedRecord[] {
  const seen = new Set<string>();
  return records.filter((record) => {
    const id = idOf(record);
    if (seen.has(id)) return false;
    seen.add(id);
    return true;
  });
}

function idOf(record: ConsumedRecord): string {
  return headerText(record.headers, 'id') ?? '';
}

export async function readOutbox(database: CaptureDatabase): Promise<OutboxRowSeen[]> {
  const { rows } = await database.sql.query<Omit<OutboxRowSeen, 'version'> & { version: string }>(
    `SELECT id, stream_id AS "streamId", version, aggregateid AS key, topic, payload::text AS payload FROM image.outbox`,
  );
  return rows.map((row) => ({ ...row, version: Number(row.version) }));
}

/** Everything that the topics hold now, in offset order per partition. */
export async function readTopics(driver: BrokerDriver, group: string, topics: readonly string[]): Promise<ConsumedRecord[]> {
  const admin = driver.admin();
  const consumer = driver.consumer({ group, topics, from: 'earliest' });
  const records: ConsumedRecord[] = [];
  try {
    const total = (await admin.offsets(topics)).reduce((sum, { earliest, end }) => sum + Number(end - earliest), 0);
    await consumer.start({
      onRecords: (_partition, batch) => records.push(...batch),
      onAssigned: () => undefined,
      onRevoking: async () => undefined,
      onLost: () => undefined,
      onFatal: () => undefined,
    });
    await eventually(() => records.length >= total, { timeoutMs: 30_000 });
  } finally {
    await consumer.stop();
    await admin.deleteGroups([group]);
    await admin.stop();
  }
  return records.sort((a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition || Number(a.offset - b.offset));
}
