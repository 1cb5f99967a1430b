import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { headerText, utf8Text } from '../../core/record.ts';
import type { CaptureDatabase } from '../../test/support/capture-database.ts';
import { captureDatabase } from '../../test/support/capture-database.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { RelayUnderTest } from '../../test/support/relay-under-test.ts';
import { findEarlyAcknowledgement, relayUnderTest } from '../../test/support/relay-under-test.ts';

const never = new AbortController().signal;
const soon = () => AbortSignal.timeout(10_000);

describe('the relay on a real PostgreSQL', () => {
  let database: CaptureDatabase;
  let relays: RelayUnderTest[] = [];

  beforeEach(async () => {
    database = await captureDatabase('relay');
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

  it('publishes every committed row in commit order, and none that was rolled back', async () => {
    const relay = await started();
    const late = await database.connect();
    await late.query('BEGIN');
    const lastToCommit = await database.insert({}, late);
    const committed: string[] = [];
    for (let index = 0; index < 20; index += 1) {
      await database.sql.query('BEGIN');
      const ids = [await database.insert(), await database.insert()];
      await database.sql.query(index % 3 === 0 ? 'ROLLBACK' : 'COMMIT');
      if (index % 3 !== 0) committed.push(...ids);
    }
    await late.query('COMMIT');
    committed.push(lastToCommit);
    await eventually(() => relay.producer.acknowledged.length >= committed.length);
    await relay.stop(soon());
    expect(relay.producer.acknowledgedIds()).toEqual(committed);
    expect((await database.commits()).map((row) => row.id)).toEqual(committed);
    expect(findEarlyAcknowledgement(relay, await database.commits())).toBeUndefined();
  });

  it('goes on after a stop with what was committed meanwhile, and repeats nothing', async () => {
    const first = await started();
    const before = await database.insert();
    await eventually(() => first.producer.acknowledgedIds().includes(before));
    await first.stop(soon());
    const meanwhile = [await database.insert(), await database.insert({ createdAt: '2025-11-21 08:00:00.12+00' })];
    const second = await started();
    await eventually(() => second.producer.acknowledged.length >= meanwhile.length);
    expect(second.producer.acknowledgedIds()).toEqual(meanwhile);
  });

  it('keeps payload bytes, big numbers, key order of the server and every header', async () => {
    const relay = await started();
    const payload = String.raw`{"n": 12345678901234567890, "text": "日本語 \"quoted\" \\ ✓", "z": 1, "a": 2.50}`;
    const id = await database.insert({ payload, aggregateid: 'użytkownik', version: 41, createdAt: '2025-11-21 17:30:00.000120+09' });
    const { rows } = await database.sql.query<{ text: string }>('SELECT payload::text AS text FROM image.outbox WHERE id = $1', [id]);
    const record = await eventually(() => relay.producer.acknowledged.find((each) => headerText(each.headers, 'id') === id) ?? false);
    expect(utf8Text(record.value!)).toBe(rows[0]!.text);
    expect(utf8Text(record.value!)).toContain('12345678901234567890');
    expect(utf8Text(record.value!)).toContain('日本語');
    expect(record.topic).toBe(database.names.eventTopic('image.registered'));
    expect(utf8Text(record.key!)).toBe('użytkownik');
    expect(record.headers.map(([name, value]) => [name, value === null ? null : utf8Text(value)])).toEqual([
      ['id', id],
      ['type', 'ImageRegistered'],
      ['aggregatetype', 'image'],
      ['stream_id', 'stream-1'],
      ['version', '41'],
      ['trace_id', 'a'.repeat(32)],
      ['occurred_at', '2025-11-21T08:30:00.000120Z'],
      ['content-type', 'application/json'],
    ]);
    expect(Math.abs(record.timestampMs! - Date.now())).toBeLessThan(60_000);
  });
});
