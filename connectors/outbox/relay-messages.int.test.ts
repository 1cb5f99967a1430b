import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { parseLsn } from '../../core/lsn.ts';
import { headerText, utf8Text } from '../../core/record.ts';
import type { CaptureDatabase } from '../../test/support/capture-database.ts';
import { captureDatabase } from '../../test/support/capture-database.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { RelayUnderTest } from '../../test/support/relay-under-test.ts';
import { relayUnderTest } from '../../test/support/relay-under-test.ts';

const never = new AbortController().signal;
const soon = () => AbortSignal.timeout(10_000);

const MIGRATIONS = new URL('../../runtime/postgres/migrations/', import.meta.url);
const EMIT = ['capture/0001_capture_owner.sql', 'capture/0002_emit_to_the_relay_only.sql'];

describe('logical messages as an outbox without a table', () => {
  let database: CaptureDatabase;
  let relay: RelayUnderTest;

  beforeEach(async () => {
    database = await captureDatabase('messages');
    relay = relayUnderTest(database);
    await relay.start(never);
  });
  afterEach(async () => {
    await relay.stop(soon());
    await database.drop();
  });

  const content = (id: string, payload = '{"n": 1}', topic = 'image.registered'): string => {
    const columns = { id, aggregatetype: 'image', aggregateid: 'user-1', type: 'ImageRegistered', trace_id: 'a'.repeat(32), topic };
    const rest = { stream_id: 'stream-1', version: 1, created_at: '2025-11-21 08:00:00.12+00' };
    return `${JSON.stringify({ ...columns, ...rest }).slice(0, -1)}, "payload": ${payload}}`;
  };
  const emit = async (transactional: boolean, text: string, prefix = 'millrace.outbox'): Promise<void> => {
    await database.sql.query('SELECT pg_logical_emit_message($1, $2, $3::text)', [transactional, prefix, text]);
  };
  const insertPosition = async (): Promise<bigint> => {
    const { rows } = await database.sql.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
    return parseLsn(rows[0]!.lsn);
  };

  it('of others are dropped as they come, however large, and hold up nothing', async () => {
    const [before, after] = [randomUUID(), randomUUID()];
    await database.sql.query('BEGIN');
    await database.insert({ id: before });
    await database.sql.query(`SELECT pg_logical_emit_message(true, 'another', repeat('x', 40000000))`);
    await database.insert({ id: after });
    await database.sql.query('COMMIT');
    await eventually(() => relay.producer.acknowledged.length >= 2, { timeoutMs: 30_000 });
    expect(relay.producer.acknowledgedIds()).toEqual([before, after]);
  });

  it('become records by the same rule, in commit order with rows, and not when their transaction fails', async () => {
    const [first, fired, lost, last] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    const payload = String.raw`{"n": 12345678901234567890,  "text": "日本語 \" ✓"}`;
    await database.insert({ id: first });
    await database.sql.query('BEGIN');
    await emit(true, content(fired, payload));
    await database.insert({ id: last });
    await database.sql.query('COMMIT');
    await database.sql.query('BEGIN');
    await emit(true, content(lost));
    await database.sql.query('ROLLBACK');
    await eventually(() => relay.producer.acknowledged.length >= 3);
    expect(relay.producer.acknowledgedIds()).toEqual([first, fired, last]);
    const record = relay.producer.acknowledged[1]!;
    expect(utf8Text(record.value!)).toBe(payload);
    expect(record.topic).toBe(database.names.eventTopic('image.registered'));
    expect(utf8Text(record.key!)).toBe('user-1');
    expect(record.headers.map(([name, value]) => [name, utf8Text(value!)])).toEqual([
      ['id', fired],
      ['type', 'ImageRegistered'],
      ['aggregatetype', 'image'],
      ['stream_id', 'stream-1'],
      ['version', '1'],
      ['trace_id', 'a'.repeat(32)],
      ['occurred_at', '2025-11-21T08:00:00.120000Z'],
      ['content-type', 'application/json'],
      ['logical-message', 'true'],
    ]);
  });

  it('are written by the domain’s own function, which refuses what the table would refuse', async () => {
    const migrations = await Promise.all(EMIT.map(async (file) => readFile(new URL(file, MIGRATIONS), 'utf8')));
    await database.sql.query(`SET search_path = image; ${migrations.join(';')}; RESET search_path`);
    await database.sql.query(`CREATE FUNCTION image.event_route(text, text) RETURNS text LANGUAGE sql AS 'SELECT ''by.the.rule'''`);
    const emitted = async (more: Record<string, unknown> = {}): Promise<string> => {
      const given = {
        aggregatetype: 'image',
        aggregateid: 'user-1',
        type: 'ImageRegistered',
        trace_id: 't',
        topic: 'image.registered',
        ...more,
      };
      const named = Object.keys(given).map((name, index) => `${name} => $${index + 1}`);
      const { rows } = await database.sql.query<{ id: string }>(
        `SELECT image.emit_outbox(payload => '{"n": 12345678901234567890, "}": "}"}', ${named.join(', ')}) AS id`,
        Object.values(given),
      );
      return rows[0]!.id;
    };
    for (const wrong of [
      { aggregateid: '' },
      { trace_id: null },
      { type: 'x'.repeat(65) },
      { topic: 'a b' },
      { version: 3 },
      { stream_id: 's', version: 0 },
    ]) {
      await expect(emitted(wrong)).rejects.toThrow();
    }
    // A snapshot that was taken before a handover would not show it.
    await database.sql.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await expect(emitted()).rejects.toMatchObject({ code: '25000' });
    await database.sql.query('ROLLBACK');
    const ids = [await emitted(), await emitted({ stream_id: 'stream-}', version: 7, tracestate: 'x=1' })];
    await eventually(() => relay.producer.acknowledged.length >= 2);
    expect(relay.producer.acknowledgedIds()).toEqual(ids);
    const [first, second] = relay.producer.acknowledged;
    expect(utf8Text(first!.value!)).toBe('{"n": 12345678901234567890, "}": "}"}');
    expect([headerText(first!.headers, 'stream_id'), headerText(first!.headers, 'version')]).toEqual([ids[0], '1']);
    expect([headerText(second!.headers, 'stream_id'), headerText(second!.headers, 'version')]).toEqual(['stream-}', '7']);
    expect(Math.abs(Date.parse(headerText(first!.headers, 'occurred_at')!) - Date.now())).toBeLessThan(3_600_000);
  });

  it('that stand alone are flushed up to their end, where the next commit may begin: it comes again after a crash', async () => {
    const other = await database.connect();
    const id = randomUUID();
    await other.query('BEGIN');
    await database.insert({ id }, other);
    relay.producer.hang();
    const { rows } = await database.sql.query<{ lsn: string }>(
      `SELECT pg_logical_emit_message(false, 'millrace.outbox', $1::text)::text AS lsn`,
      [content(randomUUID())],
    );
    await other.query('COMMIT');
    await eventually(() => relay.producer.sends >= 2);
    relay.producer.failWith(([record]) =>
      record?.topic.endsWith('.dlt') === true ? undefined : new ClassifiedError('KAFKA_UNAVAILABLE', 'test'),
    );
    relay.producer.release();
    const end = parseLsn(rows[0]!.lsn);
    await eventually(async () => parseLsn(await database.confirmedFlushLsn()) >= end);
    await relay.stop(AbortSignal.abort());
    expect(relay.statuses.at(-1)!.flushLsn).toBe(end);
    expect(relay.producer.acknowledged).toHaveLength(1);
    relay = relayUnderTest(database);
    await relay.start(never);
    await eventually(() => relay.producer.acknowledged.length > 0);
    expect(relay.producer.acknowledgedIds()).toEqual([id]);
  });

  it('that cannot be published are kept as dead letters, and none of them holds the slot', async () => {
    const lone = content(randomUUID());
    await emit(false, lone);
    await emit(true, 'no json');
    await emit(true, content(randomUUID(), '{}', 'image.nowhere'));
    await emit(true, 'of somebody else', 'other');
    const behind = await insertPosition();
    await eventually(() => relay.producer.acknowledged.length >= 3);
    const letters = relay.producer.acknowledged;
    expect(letters.map((letter) => letter.topic)).toEqual(letters.map(() => database.names.captureDeadLetterTopic('image')));
    expect(letters.map(({ headers }) => headerText(headers, 'dlt-error-code'))).toEqual([
      'ENVELOPE_INVALID',
      'PAYLOAD_UNREADABLE',
      'EVENT_UNROUTABLE',
    ]);
    expect(utf8Text(letters[0]!.value!)).toBe(lone);
    expect(utf8Text(letters[1]!.value!)).toBe('no json');
    await eventually(async () => parseLsn(await database.confirmedFlushLsn()) >= behind, { timeoutMs: 20_000 });
    expect(relay.producer.acknowledged).toHaveLength(3);
  });

  it('that are larger than what the dead-letter topic takes are kept there in parts, and behind all of them comes what follows', async () => {
    const limit = 2_000;
    relay.producer.failWith((records) => {
      const bytes = records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
      return bytes > limit ? new ClassifiedError('RECORD_TOO_LARGE', 'test') : undefined;
    });
    const id = randomUUID();
    const payload = `{"text": "${Array.from({ length: 900 }, (_, n) => `${n}✓`).join(' ')}"}`;
    await emit(true, content(id, payload));
    const next = await database.insert();
    const behind = await insertPosition();
    await eventually(() => relay.producer.acknowledgedIds().includes(next));
    await eventually(async () => parseLsn(await database.confirmedFlushLsn()) >= behind, { timeoutMs: 20_000 });
    const letters = relay.producer.acknowledged.filter(({ topic }) => topic === database.names.captureDeadLetterTopic('image'));
    expect(letters.length).toBeGreaterThan(2);
    for (const { key, headers, value } of letters) {
      expect(utf8Text(key!)).toBe('user-1');
      expect([headerText(headers, 'id'), headerText(headers, 'dlt-payload')]).toEqual([id, 'part']);
      expect(headerText(headers, 'dlt-error-code')).toBe('RECORD_TOO_LARGE');
      expect(value!.length).toBeLessThanOrEqual(limit);
    }
    const whole = Buffer.concat(letters.map(({ value }) => value!));
    expect(whole.toString()).toBe(payload);
    let from = 0;
    for (const { headers, value } of letters) {
      const to = from + value!.length;
      expect(headerText(headers, 'dlt-payload-range')).toBe(`bytes ${from}-${to - 1}/${whole.length}`);
      from = to;
    }
  });
});
