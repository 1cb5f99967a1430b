import { describe, expect, it } from 'vitest';
import type { ClusterFacts } from '../../core/log-reader.ts';
import { parseLsn } from '../../core/lsn.ts';
import { offset } from '../../core/offset.ts';
import { mergeMarks } from './remembered-topics.ts';
import type { SourceFacts } from './source-facts.ts';
import { sourceFindings } from './source-findings.ts';
import type { SourceRecord } from './source-record.ts';
import { foldSourceRecords, formatSourceRecord, parseSourceRecord } from './source-record.ts';
import { timelineSwitch } from './timeline-history.ts';

const HOUR = 3_600_000;
const NOW = 1_800_000_000_000;
const source = { url: '', slot: 's', publication: { name: 'p', schema: 'scan', table: 'outbox' } };

const remembered: SourceRecord = {
  slot: 's',
  epoch: 2,
  systemIdentifier: '7',
  timeline: 1,
  flushLsn: parseLsn('0/200'),
  publication: '10/1/11/1',
  lastPublished: { id: 'e', createdAt: '2025-11-21 08:00:00+00', commitLsn: parseLsn('0/1F0') },
  kafkaCluster: 'k',
  topics: [{ topic: 't', id: 'a', ends: [offset(5n), offset(9n)], marks: [{ partition: 1, offset: offset(4n), notBeforeMs: NOW - HOUR }] }],
  writtenAtMs: NOW,
};

const facts: SourceFacts = {
  systemIdentifier: '7',
  timeline: 1,
  currentLsn: parseLsn('0/300'),
  database: 'scan',
  slot: {
    name: 's',
    plugin: 'pgoutput',
    database: 'scan',
    active: false,
    confirmedFlushLsn: parseLsn('0/200'),
    restartLsn: parseLsn('0/100'),
    walStatus: 'reserved',
    invalidationReason: undefined,
    synced: false,
    transactionsSent: 4n,
    countedSince: '1/',
    currentLsn: parseLsn('0/300'),
  },
  publication: { version: '10/1/11/1', whole: true, settled: true },
  row: { epoch: 2, consistentPoint: parseLsn('0/100'), publication: '10/1/11/1', kafkaCluster: 'k' },
  timelineSwitch: undefined,
  lastPublished: 'there',
  lackingRows: 0,
};

function cluster(
  change: { id?: string; earliest?: bigint; end?: bigint; retentionMs?: number; removesYoung?: boolean } = {},
): ClusterFacts {
  const { id = 'a', earliest = 0n, end = 9n, retentionMs = 24 * HOUR, removesYoung = false } = change;
  const partitions = [
    { topic: 't', partition: 0, earliest: offset(0n), end: offset(5n) },
    { topic: 't', partition: 1, earliest: offset(earliest), end: offset(end) },
  ];
  return { clusterId: 'k', topics: [{ topic: 't', id, retentionMs, removesYoung, partitions }] };
}

const codes = (changed: Partial<SourceFacts>, kafka = cluster(), memory: SourceRecord | undefined = remembered): string[] =>
  sourceFindings(source, memory, { ...facts, ...changed }, kafka, NOW).map(({ code }) => code);

describe('what differs from the memory of a source', () => {
  it('is nothing when the slot stands at or below what it was told, and the topics have grown', () => {
    expect(codes({})).toEqual([]);
    expect(codes({ slot: { ...facts.slot!, confirmedFlushLsn: parseLsn('0/150') } })).toEqual([]);
    expect(codes({}, cluster({ end: 50n, earliest: 4n }))).toEqual([]);
  });

  it('is a slot one byte beyond what it was told', () => {
    const slot = { ...facts.slot!, confirmedFlushLsn: parseLsn('0/201') };
    expect(codes({ slot })).toEqual(['SLOT_AHEAD']);
    expect(codes({ slot: { ...slot, transactionsSent: 0n } })).toEqual(['SLOT_RECREATED']);
  });

  it('is a slot that has sent less than the one that another capture was seen to read from, as long as the server has not counted anew', () => {
    const read = { ...remembered, sightedSlot: { transactionsSent: '10', countedSince: '1/', madeAnew: false } };
    const slot = { ...facts.slot!, confirmedFlushLsn: parseLsn('0/280') };
    const seen = (transactionsSent: bigint, countedSince = '1/', memory: SourceRecord = read): string[] =>
      codes({ slot: { ...slot, transactionsSent, countedSince } }, cluster(), memory);
    expect(seen(9n)).toEqual(['SLOT_RECREATED']);
    expect(seen(0n)).toEqual(['SLOT_RECREATED']);
    expect(seen(10n)).toEqual(['SLOT_AHEAD']);
    expect(seen(0n, '2/')).toEqual(['SLOT_AHEAD']);
    expect(seen(12n, '2/', { ...read, sightedSlot: { ...read.sightedSlot, madeAnew: true } })).toEqual(['SLOT_RECREATED']);
  });

  it('is nothing on a first start, and a lost memory when the database knows that there was one', () => {
    const row = { ...facts.row!, kafkaCluster: undefined };
    const slot = { ...facts.slot!, confirmedFlushLsn: parseLsn('0/100') };
    const first = (change: Partial<SourceFacts>) =>
      sourceFindings(source, undefined, { ...facts, slot, row, ...change }, cluster(), NOW).map(({ code }) => code);
    expect(first({})).toEqual([]);
    expect(first({ row: facts.row })).toEqual(['CAPTURE_MEMORY_LOST']);
    expect(first({ slot: facts.slot })).toEqual(['SLOT_AHEAD']);
    expect(first({ row: { ...row, consistentPoint: parseLsn('0/0') } })).toEqual(['SLOT_YOUNGER']);
  });

  it('is a failover when a promotion left the timeline before what was published, and none when it did so behind it', () => {
    const moved = { timeline: 2 };
    expect(codes({ ...moved, timelineSwitch: { at: parseLsn('0/1FF'), toTarget: false } })).toEqual(['DATABASE_FAILED_OVER']);
    expect(codes({ ...moved, timelineSwitch: { at: parseLsn('0/200'), toTarget: false } })).toEqual([]);
    expect(codes({ ...moved, timelineSwitch: { at: parseLsn('0/200'), toTarget: false }, lastPublished: 'missing' })).toEqual([
      'DATABASE_FAILED_OVER',
    ]);
    // The newest rows: published, and not remembered yet when the old server went.
    expect(codes({ ...moved, timelineSwitch: { at: parseLsn('0/200'), toTarget: false }, lackingRows: 1 })).toEqual([
      'DATABASE_FAILED_OVER',
    ]);
  });

  it('is a restore, which a person judges, by its target, its ancestors, its end or its rows', () => {
    expect(codes({ timeline: 2, timelineSwitch: { at: parseLsn('0/200'), toTarget: true } })).toEqual(['DATABASE_RESTORED']);
    expect(codes({ timeline: 2, timelineSwitch: 'unknown' })).toEqual(['DATABASE_RESTORED']);
    expect(codes({ currentLsn: parseLsn('0/1FF') })).toEqual(['DATABASE_RESTORED']);
    expect(codes({ lastPublished: 'missing' })).toEqual(['DATABASE_RESTORED']);
    expect(codes({ lastPublished: 'untold' })).toEqual([]);
    // Its log has grown, and one of the rows is there; a relay had met it before.
    expect(codes({}, cluster(), { ...remembered, gap: 'DATABASE_RESTORED' })).toEqual(['DATABASE_RESTORED']);
  });

  it('is another server alone, whatever else differs on it', () => {
    expect(codes({ systemIdentifier: '8', slot: undefined, publication: undefined })).toEqual(['DATABASE_FOREIGN']);
  });

  it('tells a publication that was made anew from one that was changed', () => {
    const publication = facts.publication!;
    expect(codes({ publication: { ...publication, version: '12/9/11/1' } })).toEqual(['PUBLICATION_YOUNGER']);
    expect(codes({ publication: { ...publication, version: '10/9/11/1' } })).toEqual(['PUBLICATION_CHANGED']);
    expect(codes({ publication: { ...publication, whole: false } })).toEqual(['PUBLICATION_CHANGED']);
    expect(codes({ publication: undefined })).toEqual(['PUBLICATION_MISSING']);
  });

  it('is a gap of the publication that the stream met, though the catalogue looks right', () => {
    const met = { ...remembered, gap: 'PUBLICATION_YOUNGER' as const };
    expect(codes({}, cluster(), met)).toEqual(['PUBLICATION_YOUNGER']);
    expect(codes({ publication: undefined }, cluster(), met)).toEqual(['PUBLICATION_MISSING']);
    expect(codes({ publication: { ...facts.publication!, version: '10/9/11/1' } }, cluster(), met)).toEqual(['PUBLICATION_CHANGED']);
  });

  it('tells records that somebody removed from those whose time was over', () => {
    expect(codes({}, cluster({ earliest: 5n }))).toEqual(['TOPIC_TRUNCATED']);
    expect(codes({}, cluster({ earliest: 5n, retentionMs: HOUR / 2 }))).toEqual([]);
    expect(codes({}, cluster({ earliest: 5n, removesYoung: true }))).toEqual([]);
    expect(codes({}, cluster({ end: 8n }))).toEqual(['TOPIC_TRUNCATED']);
    expect(codes({}, cluster({ id: 'b' }))).toEqual(['TOPIC_RECREATED']);
    expect(codes({}, { clusterId: 'k', topics: [] })).toEqual(['TOPIC_MISSING']);
  });
});

describe('the memory of a source', () => {
  it('comes back as it was written', () => {
    expect(parseSourceRecord(formatSourceRecord(remembered))).toEqual(remembered);
    const both = { ...remembered, publishedBefore: { ...remembered.lastPublished!, id: 'd', commitLsn: parseLsn('0/1E0') } };
    expect(parseSourceRecord(formatSourceRecord(both))).toEqual(both);
    const compared = { ...remembered, topics: remembered.topics.map((topic) => ({ ...topic, compared: [offset(2n), offset(3n)] })) };
    expect(parseSourceRecord(formatSourceRecord(compared))).toEqual(compared);
    expect(() => parseSourceRecord('{"slot":"s"}')).toThrow('not readable');
  });

  it('is of the newest epoch and its highest position, whoever wrote last', () => {
    const ahead = { ...remembered, flushLsn: parseLsn('0/300') };
    const newer = { ...remembered, epoch: 3, flushLsn: parseLsn('0/50') };
    expect(foldSourceRecords([])).toBeUndefined();
    expect(foldSourceRecords([ahead, remembered])?.flushLsn).toBe(parseLsn('0/300'));
    expect(foldSourceRecords([newer, ahead])).toEqual(newer);
    expect(foldSourceRecords([ahead, newer])).toEqual(newer);
  });

  it('keeps a gap that was met until the next epoch', () => {
    const met = { ...remembered, gap: 'PUBLICATION_YOUNGER' as const };
    const later = { ...remembered, flushLsn: parseLsn('0/300') };
    expect(foldSourceRecords([met, later])).toEqual({ ...later, gap: 'PUBLICATION_YOUNGER' });
    expect(foldSourceRecords([met, { ...remembered, epoch: 3 }])?.gap).toBeUndefined();
    expect(parseSourceRecord(formatSourceRecord(met))).toEqual(met);
  });

  it('keeps marks that lie apart, and the youngest one', () => {
    const mark = (notBeforeMs: number) => ({ partition: 0, offset: offset(BigInt(notBeforeMs)), notBeforeMs });
    let marks = mergeMarks([], [mark(0)], 100);
    for (let at = 10; at <= 1_000; at += 10) marks = mergeMarks(marks, [mark(at)], 100);
    expect(marks).toHaveLength(6);
    expect(marks.at(-1)).toEqual(mark(1_000));
    for (const [index, each] of marks.slice(1, -1).entries())
      expect(each.notBeforeMs - marks[index]!.notBeforeMs).toBeGreaterThanOrEqual(100);
  });
});

describe("a server's history of its timelines", () => {
  const HISTORY = '1\t0/3000028\tno recovery target specified\n\n2\t0/5000000\tbefore 2025-11-21 08:00:00+00\n';

  it('says where a timeline was left, and whether a target was set', () => {
    expect(timelineSwitch(HISTORY, 1)).toEqual({ at: parseLsn('0/3000028'), toTarget: false });
    expect(timelineSwitch(HISTORY, 2)).toEqual({ at: parseLsn('0/5000000'), toTarget: true });
    expect(timelineSwitch(HISTORY, 4)).toBe('unknown');
  });
});
