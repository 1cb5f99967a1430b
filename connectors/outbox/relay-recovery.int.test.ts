import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { parseLsn } from '../../core/lsn.ts';
import { headerText, utf8Text } from '../../core/record.ts';
import { dropSlot } from '../replication/slot.ts';
import { withSqlSession } from '../replication/sql-session.ts';
import type { CaptureDatabase } from '../../test/support/capture-database.ts';
import { captureDatabase } from '../../test/support/capture-database.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { RelayUnderTest } from '../../test/support/relay-under-test.ts';
import { findEarlyAcknowledgement, relayUnderTest } from '../../test/support/relay-under-test.ts';
import { createRecordingProducer } from '../../test/support/recording-producer.ts';
import { tcpProxy } from '../../test/support/tcp-proxy.ts';
import { systemClock } from '../../test/support/system-clock.ts';

const never = new AbortController().signal;
const soon = () => AbortSignal.timeout(20_000);

describe('the relay when something goes away', () => {
  let database: CaptureDatabase;
  let relays: RelayUnderTest[] = [];

  beforeEach(async () => {
    database = await captureDatabase('recover');
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

  const walsender = async (): Promise<number | null> => {
    const { rows } = await database.sql.query<{ pid: number | null }>(
      'SELECT active_pid AS pid FROM pg_replication_slots WHERE slot_name = $1',
      [database.names.slot('image')],
    );
    return rows[0]!.pid;
  };

  /** Resolves once another walsender streams. */
  const replaceWalsender = async (): Promise<void> => {
    const pid = await walsender();
    await database.sql.query('SELECT pg_terminate_backend($1)', [pid]);
    await eventually(async () => ![null, pid].includes(await walsender()));
  };

  it('connects again when its walsender is killed, and loses nothing', async () => {
    const relay = await started();
    const ids: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      ids.push(await database.insert());
      await replaceWalsender();
      ids.push(await database.insert());
      await eventually(() => relay.producer.acknowledgedIds().includes(ids.at(-1)!));
    }
    await relay.stop(soon());
    expect([...new Set(relay.producer.acknowledgedIds())]).toEqual(ids);
    expect(findEarlyAcknowledgement(relay, await database.commits())).toBeUndefined();
  });

  it('drops what it holds when the connection is lost while Kafka is away, and publishes it once both are back', async () => {
    const relay = await started({ settings: { batchRowsMax: 1 } });
    relay.producer.failWith(() => new ClassifiedError('KAFKA_UNAVAILABLE', 'test'));
    const ids = [await database.insert(), await database.insert(), await database.insert()];
    await eventually(() => relay.health()[0]!.detail?.startsWith('KAFKA_UNAVAILABLE') === true);
    await replaceWalsender();
    await eventually(() => relay.state() === 'streaming' && relay.health()[0]!.facts!['undurableRows'] === 3);
    relay.producer.failWith(() => undefined);
    await eventually(() => relay.producer.acknowledged.length >= 3);
    await relay.stop(soon());
    expect(relay.producer.acknowledgedIds()).toEqual(ids);
  });

  it('connects again when a topic lost partitions, and places what was not acknowledged anew, in order', async () => {
    let partitions = 2;
    const count = { partitionCount: async () => partitions, knownPartitionCount: () => partitions };
    const producer = Object.assign(createRecordingProducer(), count);
    producer.failWith((records) =>
      records[0]!.partition! < partitions ? undefined : new ClassifiedError('CONFIGURATION_INVALID', 'no such partition'),
    );
    const relay = await started({ producer });
    const insert = () => database.insert({ aggregateid: 'user-6' }); // at home in the second of two partitions
    const before = await insert();
    await eventually(() => producer.acknowledgedIds().includes(before));
    expect(producer.acknowledged.map(({ partition }) => partition)).toEqual([1]);
    partitions = 1;
    const after = [await insert(), await insert(), await insert()];
    await eventually(() => producer.acknowledgedIds().includes(after[2]!));
    await relay.stop(soon());
    expect([...new Set(producer.acknowledgedIds())]).toEqual([before, ...after]);
    expect(producer.acknowledged.slice(-3).map(({ partition }) => partition)).toEqual([0, 0, 0]);
  });

  it('waits as a standby while another one holds the slot, and takes over when that one is gone', async () => {
    const first = await started();
    const second = await started();
    expect(second.state()).toBe('waiting');
    expect(second.health()[0]).toMatchObject({ status: 'degraded' });
    const before = await database.insert();
    await eventually(() => first.producer.acknowledgedIds().includes(before));
    await first.stop(soon());
    const after = await database.insert();
    await eventually(() => second.producer.acknowledgedIds().includes(after));
    expect(second.producer.acknowledgedIds()).toEqual([after]);
    expect(second.health()[0]).toMatchObject({ status: 'ok' });
  });

  it('passes one transaction of 100,000 rows without holding more than its limit', async () => {
    const limit = 2 * 1024 * 1024;
    const relay = await started({ settings: { inFlightBytesMax: limit, statusIntervalMs: 300 } });
    relay.producer.hang();
    await database.sql.query(
      `INSERT INTO image.outbox (id, aggregatetype, aggregateid, type, payload, trace_id, topic, stream_id, version)
       SELECT gen_random_uuid(), 'image', 'user-' || g % 10, 'ImageRegistered',
              jsonb_build_object('n', g, 'filler', repeat(md5(g::text), 4)), repeat('a', 32), 'image.registered', 's', g
         FROM generate_series(1, 100000) AS g`,
    );
    await eventually(() => relay.unacknowledgedBytes() > limit, { timeoutMs: 20_000 });
    // The tap is closed, and yet status messages go on.
    const written = relay.statuses.length;
    await eventually(() => relay.statuses.length >= written + 5);
    let highest = 0;
    const watch = setInterval(() => (highest = Math.max(highest, relay.unacknowledgedBytes())), 1);
    relay.producer.release();
    try {
      await eventually(() => relay.producer.acknowledged.length >= 100_000, { timeoutMs: 50_000 });
    } finally {
      clearInterval(watch);
    }
    // What one read of the socket brings comes on top.
    expect(highest).toBeLessThan(limit + 512 * 1024);
    const misplaced = relay.producer.acknowledged.findIndex(
      (record, index) =>
        Number(headerText(record.headers, 'version')) !== index + 1 ||
        (JSON.parse(utf8Text(record.value!)) as { n: number }).n !== index + 1,
    );
    expect(misplaced).toBe(-1);
    await relay.stop(soon());
    expect(findEarlyAcknowledgement(relay, await database.commits())).toBeUndefined();
  }, 90_000);

  it('hands over rows in memory of their own: later input never shows through', async () => {
    const relay = await started();
    relay.producer.hang();
    const { rows } = await database.sql.query<{ text: string }>(
      `INSERT INTO image.outbox (id, aggregatetype, aggregateid, type, payload, trace_id, topic, stream_id, version)
       SELECT gen_random_uuid(), 'image', 'user-1', 'ImageRegistered',
              jsonb_build_object('n', g, 'filler', repeat(g::text, 1 + (g * 37) % 900)), repeat('a', 32), 'image.registered', 's', g
         FROM generate_series(1, 2000) AS g
       RETURNING payload::text AS text`,
    );
    await eventually(() => relay.health()[0]!.facts!['undurableRows'] === rows.length);
    relay.producer.release();
    await eventually(() => relay.producer.acknowledged.length >= rows.length);
    expect(relay.producer.acknowledged.findIndex((record, index) => utf8Text(record.value!) !== rows[index]!.text)).toBe(-1);
  });

  it('notices a connection on which nothing comes any more, and opens another one', async () => {
    const proxy = await tcpProxy(new URL(database.url));
    try {
      const relay = relayUnderTest({ domain: 'image', names: database.names, url: proxy.url }, { settings: { statusIntervalMs: 100 } });
      relays.push(relay);
      await relay.start(never);
      const before = await database.insert();
      await eventually(() => relay.producer.acknowledgedIds().includes(before));
      proxy.blackhole();
      const meanwhile = await database.insert();
      await eventually(() => relay.state() !== 'streaming');
      proxy.heal();
      await eventually(() => relay.producer.acknowledgedIds().includes(meanwhile));
      await relay.stop(soon());
      expect([...new Set(relay.producer.acknowledgedIds())]).toEqual([before, meanwhile]);
    } finally {
      await proxy.close();
    }
  });

  it('stops at once when it has to, also on a network that carries nothing any more', async () => {
    const proxy = await tcpProxy(new URL(database.url));
    try {
      const relay = relayUnderTest({ domain: 'image', names: database.names, url: proxy.url });
      await relay.start(never);
      const id = await database.insert();
      await eventually(() => relay.producer.acknowledgedIds().includes(id));
      await eventually(() => relay.statuses.some(({ flushLsn }) => flushLsn > 0n)); // it looked at the publication
      proxy.blackhole();
      // Seconds, until a connection is given up. No part of the stop waits for one.
      const patient = withSqlSession(proxy.url, async () => undefined).catch(() => 'given up');
      const stopped = relay.stop(AbortSignal.abort()).then(() => relay.state());
      expect(await Promise.race([stopped, patient])).toBe('stopped');
      await patient;
    } finally {
      await proxy.close();
    }
  });

  it('names a slot that is gone and stands still, instead of beginning anew', async () => {
    const gaps: string[] = [];
    const relay = await started({ onGap: (error) => gaps.push(error.code) });
    await dropSlot(database.sql, database.names.slot('image'), systemClock);
    await eventually(() => relay.state() === 'gap');
    expect(gaps).toEqual(['SLOT_MISSING']);
    expect(relay.health()[0]).toMatchObject({ status: 'down' });
    const late = relayUnderTest(database);
    await expect(late.start(never)).rejects.toMatchObject({ code: 'SLOT_MISSING' });
    await late.stop(soon());
  });

  /** Nothing that the publication hid is acknowledged: the slot stays in front of the first row that it may hide. */
  const expectGapBefore = async (relay: RelayUnderTest, hidden: string): Promise<void> => {
    await eventually(() => relay.state() === 'gap');
    expect(relay.health()[0]).toMatchObject({ status: 'down' });
    expect(relay.health()[0]!.detail).toMatch(/PUBLICATION_(MISSING|CHANGED)/);
    await relay.stop(soon());
    expect(parseLsn(await database.confirmedFlushLsn())).toBeLessThanOrEqual(parseLsn(hidden));
  };

  const insertPosition = async (): Promise<string> => {
    const { rows } = await database.sql.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
    return rows[0]!.lsn;
  };

  /** Only the server's own word in the stream, or only looks at the catalogue: each of the two is enough. */
  const NO_LOOKS = { publicationLookMs: 3_600_000, statusIntervalMs: 60_000 };

  it.each([
    ['when a row shows it', NO_LOOKS, true],
    ['when nothing is written', {}, false],
  ])('names a publication that is gone, %s', async (_, settings, write) => {
    // The server's word reaches us also where a configuration keeps warnings from its clients.
    await database.sql.query(`ALTER DATABASE "${new URL(database.url).pathname.slice(1)}" SET client_min_messages = error`);
    const relay = await started({ settings });
    const seen = await database.insert();
    await eventually(() => relay.producer.acknowledgedIds().includes(seen));
    await database.sql.query(`DROP PUBLICATION ${database.names.publication('image')}`);
    const hidden = await insertPosition();
    if (write) await database.insert();
    await expectGapBefore(relay, hidden);
    expect(relay.producer.acknowledgedIds()).toEqual([seen]);
  });

  it.each([
    [
      'was without its table',
      (name: string) => [`ALTER PUBLICATION ${name} DROP TABLE image.outbox`, `ALTER PUBLICATION ${name} ADD TABLE image.outbox`],
    ],
    [
      'published no inserts',
      (name: string) => [`ALTER PUBLICATION ${name} SET (publish = 'truncate')`, `ALTER PUBLICATION ${name} SET (publish = 'insert')`],
    ],
    [
      'left out rows',
      (name: string) => [
        `ALTER PUBLICATION ${name} SET TABLE image.outbox WHERE (aggregateid = 'nobody')`,
        `ALTER PUBLICATION ${name} SET TABLE image.outbox`,
      ],
    ],
  ])('tells no position past rows of a time in which the publication %s, though it is whole again', async (_, changes) => {
    // The first look is taken at once, and no other before the stop. It is over when a position was told.
    const relay = await started({ settings: NO_LOOKS });
    const seen = await database.insert();
    await eventually(() => relay.producer.acknowledgedIds().includes(seen));
    await eventually(() => relay.statuses.some(({ flushLsn }) => flushLsn > 0n));
    const [hide = '', yieldAgain = ''] = changes(database.names.publication('image'));
    const hidden = await insertPosition();
    await database.sql.query(hide);
    await database.insert();
    await database.sql.query(yieldAgain);
    const visible = await database.insert();
    await eventually(() => relay.producer.acknowledgedIds().includes(visible));
    expect(relay.producer.acknowledgedIds()).toEqual([seen, visible]);
    await relay.stop(soon());
    expect(parseLsn(await database.confirmedFlushLsn())).toBeLessThanOrEqual(parseLsn(hidden));
  });

  it('stands still when the publication was changed and changed back, also between two connections', async () => {
    const name = database.names.publication('image');
    const relay = await started({ settings: NO_LOOKS });
    const hidden = await insertPosition();
    await database.sql.query(`ALTER PUBLICATION ${name} DROP TABLE image.outbox`);
    await database.sql.query(`ALTER PUBLICATION ${name} ADD TABLE image.outbox`);
    await database.sql.query('SELECT pg_terminate_backend($1)', [await walsender()]);
    await expectGapBefore(relay, hidden);
  });

  it('tells no position while a transaction is about to change the publication, and goes on when it is rolled back', async () => {
    const relay = await started();
    const other = await database.connect();
    await other.query('BEGIN');
    await other.query(`ALTER PUBLICATION ${database.names.publication('image')} SET (publish = 'insert, update')`);
    const position = parseLsn(await insertPosition());
    const id = await database.insert();
    await eventually(() => relay.producer.acknowledgedIds().includes(id));
    const written = relay.statuses.length;
    await eventually(() => relay.statuses.length >= written + 3);
    expect(relay.statuses.filter((status) => status.flushLsn > position)).toEqual([]);
    await other.query('ROLLBACK');
    await eventually(() => relay.statuses.at(-1)!.flushLsn > position);
    expect(relay.health()).toMatchObject([{ status: 'ok' }]);
  });

  it('does not begin on a publication that does not yield every row', async () => {
    const name = database.names.publication('image');
    for (const change of [
      'DROP TABLE image.outbox',
      "ADD TABLE image.outbox WHERE (aggregateid = 'nobody')",
      'SET TABLE image.outbox (id, created_at)',
    ]) {
      await database.sql.query(`ALTER PUBLICATION ${name} ${change}`);
      const relay = relayUnderTest(database);
      relays.push(relay);
      await expect(relay.start(never)).rejects.toMatchObject({ code: 'PUBLICATION_CHANGED' });
    }
  });

  it('names a publication that is younger than its slot, which will never see it', async () => {
    const name = database.names.publication('image');
    await database.sql.query(`DROP PUBLICATION ${name}`);
    await database.insert();
    await database.sql.query(`CREATE PUBLICATION ${name} FOR TABLE image.outbox WITH (publish = 'insert', publish_via_partition_root)`);
    const relay = relayUnderTest(database);
    relays.push(relay);
    // It streams until the server meets the row that is older than the publication.
    await relay.start(never).catch((error: unknown) => expect(error).toMatchObject({ code: 'PUBLICATION_YOUNGER' }));
    await eventually(() => ['gap', 'stopped'].includes(relay.state()));
    expect(relay.producer.acknowledged).toEqual([]);
  });

  it('starts without PostgreSQL and waits for it', async () => {
    const relay = relayUnderTest({ domain: 'image', names: database.names, url: 'postgres://nobody@127.0.0.1:1/none' });
    await relay.start(never);
    expect(relay.state()).toBe('disconnected');
    expect(relay.health()[0]!.detail).toContain('POSTGRES_UNAVAILABLE');
    await relay.stop(soon());
    await relay.stop(soon());
    expect(relay.state()).toBe('stopped');
  });

  it('may be stopped before it was started', async () => {
    const relay = relayUnderTest(database);
    await relay.stop(soon());
    await relay.start(never);
    expect(relay.state()).toBe('stopped');
  });
});
