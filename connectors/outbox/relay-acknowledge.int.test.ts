import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { LSN_ZERO, formatLsn, parseLsn } from '../../core/lsn.ts';
import type { CaptureDatabase } from '../../test/support/capture-database.ts';
import { captureDatabase } from '../../test/support/capture-database.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { RelayUnderTest } from '../../test/support/relay-under-test.ts';
import { findEarlyAcknowledgement, relayUnderTest } from '../../test/support/relay-under-test.ts';

const never = new AbortController().signal;
const soon = () => AbortSignal.timeout(10_000);

describe('what the relay tells PostgreSQL', () => {
  let database: CaptureDatabase;
  let relays: RelayUnderTest[] = [];

  beforeEach(async () => {
    database = await captureDatabase('ack');
  });
  afterEach(async () => {
    for (const relay of relays) {
      relay.producer.release();
      await relay.stop(soon());
    }
    relays = [];
    await database.drop();
  });

  const started = async (options: Parameters<typeof relayUnderTest>[1] = {}): Promise<RelayUnderTest> => {
    const relay = relayUnderTest(database, options);
    relays.push(relay);
    await relay.start(never);
    return relay;
  };

  it('is nothing beyond what Kafka acknowledged, while the producer hangs and status messages go on', async () => {
    const relay = await started({ settings: { statusIntervalMs: 50 } });
    const durable = await database.insert();
    await eventually(() => relay.producer.acknowledgedIds().includes(durable));
    const durableEnd = (await database.commits()).find((row) => row.id === durable)!.endLsn;
    await eventually(async () => parseLsn(await database.confirmedFlushLsn()) >= durableEnd);
    relay.producer.hang();
    const stuck = [await database.insert(), await database.insert()];
    await eventually(() => relay.health()[0]!.facts!['undurableRows'] === 2);
    const written = relay.statuses.length;
    await eventually(() => relay.statuses.length >= written + 5);
    const firstStuck = (await database.commits()).find((row) => row.id === stuck[0])!;
    expect(parseLsn(await database.confirmedFlushLsn()) <= firstStuck.commitLsn).toBe(true);
    relay.producer.release();
    await eventually(() => relay.producer.acknowledgedIds().includes(stuck[1]!));
    await relay.stop(soon());
    const commits = await database.commits();
    expect(parseLsn(await database.confirmedFlushLsn()) >= commits.at(-1)!.endLsn).toBe(true);
    expect(findEarlyAcknowledgement(relay, commits)).toBeUndefined();
  });

  it('is told to health as well, within seconds: that Kafka acknowledges nothing, and that it does again', async () => {
    const relay = await started();
    await eventually(() => relay.health()[0]!.status === 'ok');
    relay.producer.hang();
    const stuck = await database.insert();
    await eventually(() => relay.health()[0]!.detail?.includes('has not acknowledged') === true);
    expect(relay.health()[0]!.status).toBe('degraded');
    relay.producer.release();
    await eventually(() => relay.producer.acknowledgedIds().includes(stuck));
    await eventually(() => relay.health()[0]!.status === 'ok');
  });

  it('lets both of two adjacent commits arrive when the relay dies between their acknowledgements', async () => {
    const { first, second, rest } = await adjacentCommits(database);
    const dying = relayUnderTest(database, {
      settings: { batchRowsMax: 1 },
      // Hangs for ever after the first row: what follows is a death without a farewell. Rows may come before the start has resolved.
      failpoint: (label) =>
        label === 'batch-sealed' && dying.producer.acknowledgedIds().includes(first.id) ? new Promise(() => undefined) : undefined,
    });
    relays.push(dying);
    await dying.start(never);
    await eventually(async () => parseLsn(await database.confirmedFlushLsn()) >= first.endLsn);
    await dying.stop(AbortSignal.abort());
    expect(dying.producer.acknowledgedIds()).not.toContain(second.id);
    expect(await database.confirmedFlushLsn()).toBe(formatLsn(second.commitLsn));
    const next = await started();
    await eventually(() => next.producer.acknowledged.length >= 1 + rest.length);
    expect(next.producer.acknowledgedIds()).toEqual([second.id, ...rest]);
  });

  it('holds under failing sends, many writers and restarts', async () => {
    const acknowledgedBefore: string[] = [];
    const writers = await Promise.all([1, 2, 3, 4].map(() => database.connect()));
    for (const writer of writers) await writer.query('SET synchronous_commit = off');
    const inserted: string[] = [];
    let writing = true;
    const load = Promise.all(
      writers.map(async (writer, index) => {
        while (writing) {
          await writer.query('BEGIN');
          const ids = [await database.insert({ aggregateid: `user-${index}` }, writer), await database.insert({}, writer)];
          const keep = Math.random() > 0.2;
          await writer.query(keep ? 'COMMIT' : 'ROLLBACK');
          await new Promise((resolve) => setTimeout(resolve, 5));
          if (keep) inserted.push(...ids);
        }
      }),
    );
    for (let round = 0; round < 4; round += 1) {
      const relay = await started({ settings: { batchRowsMax: 7, statusDelayMs: 1 } });
      relay.producer.failWith(() => (Math.random() < 0.3 ? new ClassifiedError('KAFKA_UNAVAILABLE', 'test') : undefined));
      await eventually(() => relay.producer.acknowledged.length > 100);
      await relay.stop(round % 2 === 0 ? AbortSignal.abort() : soon());
      expect(findEarlyAcknowledgement(relay, await database.commits(), acknowledgedBefore)).toBeUndefined();
      acknowledgedBefore.push(...relay.producer.acknowledgedIds());
    }
    writing = false;
    await load;
    const last = await started();
    await eventually(() => new Set([...acknowledgedBefore, ...last.producer.acknowledgedIds()]).size >= inserted.length);
    await last.stop(soon());
    const all = [...acknowledgedBefore, ...last.producer.acknowledgedIds()];
    const firsts = [...new Set(all)];
    const order = (await database.commits()).map((row) => row.id);
    expect(firsts).toEqual(order);
    expect(new Set(all).size).toBe(inserted.length);
  });

  it('frees the WAL of an idle database while a neighbour on the same server writes', async () => {
    const neighbour = await captureDatabase('noisy');
    try {
      const relay = await started({ settings: { statusIntervalMs: 100 } });
      const before = parseLsn(await database.confirmedFlushLsn());
      await neighbour.sql.query('CREATE TABLE noise AS SELECT g, repeat(md5(g::text), 8) AS filler FROM generate_series(1, 20000) AS g');
      const { rows } = await neighbour.sql.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
      const behindTheNoise = parseLsn(rows[0]!.lsn);
      expect(behindTheNoise - before).toBeGreaterThan(4_000_000n);
      await eventually(async () => parseLsn(await database.confirmedFlushLsn()) >= behindTheNoise, { timeoutMs: 20_000 });
      expect(relay.producer.sends).toBe(0);
      expect(relay.statuses.at(-1)!.flushLsn).not.toBe(LSN_ZERO);
    } finally {
      await neighbour.drop();
    }
  });
});

/** Two transactions whose commit records lie back to back in the WAL, the slot moved up to them, and the ids of all behind. */
async function adjacentCommits(database: CaptureDatabase) {
  const [one, two] = [await database.connect(), await database.connect()];
  for (const client of [one, two]) await client.query('SET synchronous_commit = off');
  for (let attempt = 0; attempt < 50; attempt += 1) {
    for (let pair = 0; pair < 10; pair += 1) {
      await Promise.all([one.query('BEGIN'), two.query('BEGIN')]);
      await database.insert({}, one);
      await database.insert({}, two);
      await Promise.all([one.query('COMMIT'), two.query('COMMIT')]);
    }
    // A commit that waits for its flush, so that all of them can be read.
    await database.insert();
    const commits = await database.commits();
    const at = commits.findIndex((row, index) => commits[index + 1]?.commitLsn === row.endLsn);
    const [first, second, ...rest] = commits.slice(at);
    if (at < 0 || first === undefined || second === undefined) continue;
    await database.sql.query('SELECT pg_replication_slot_advance($1, $2::pg_lsn)', [
      database.names.slot(database.domain),
      formatLsn(first.commitLsn),
    ]);
    return { first, second, rest: rest.map((row) => row.id) };
  }
  throw new Error('no adjacent commits came about');
}
