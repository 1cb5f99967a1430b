import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PayloadEncoder } from '../../core/codec.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { ProducerRecord } from '../../core/record.ts';
import { headerText, recordBytes, utf8Text } from '../../core/record.ts';
import type { CaptureDatabase } from '../../test/support/capture-database.ts';
import { captureDatabase } from '../../test/support/capture-database.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { RelayUnderTest } from '../../test/support/relay-under-test.ts';
import { JSON_PASS_THROUGH, findEarlyAcknowledgement, relayUnderTest } from '../../test/support/relay-under-test.ts';

const never = new AbortController().signal;
const soon = () => AbortSignal.timeout(20_000);

describe('rows that cannot be published', () => {
  let database: CaptureDatabase;
  let relay: RelayUnderTest;

  beforeEach(async () => {
    database = await captureDatabase('poison');
  });
  afterEach(async () => {
    await relay.stop(soon());
    await database.drop();
  });

  const letters = (): ProducerRecord[] =>
    relay.producer.acknowledged.filter((record) => record.topic === database.names.captureDeadLetterTopic('image'));
  const codes = (): (string | undefined)[] => letters().map((record) => headerText(record.headers, 'dlt-error-code'));

  it('go to the dead-letter topic with their bytes, key and headers, and their neighbours pass', async () => {
    const picky: PayloadEncoder = {
      encode: async (type, json) => {
        if (type === 'Unknown') throw new ClassifiedError('EVENT_UNKNOWN', 'no such event');
        if (utf8Text(json).includes('"bad"')) throw new ClassifiedError('PAYLOAD_INVALID', 'field image_id is wrong');
        if (utf8Text(json).includes('"bug"')) throw new TypeError('a bug of the encoder');
        return JSON_PASS_THROUGH.encode(type, json);
      },
    };
    const before = await database.insert();
    const unroutable = await database.insert({ topic: 'image.nowhere' });
    await database.insert({ topic: null });
    await database.insert({ payload: '{"bad": 12345678901234567890}', aggregateid: 'user-7' });
    await database.insert({ type: 'Unknown' });
    await database.insert({ aggregateid: null });
    await database.insert({ payload: null });
    await database.insert({ payload: '{"bug": 1}' });
    await database.insert({ createdAt: 'infinity' });
    const after = await database.insert();
    relay = relayUnderTest(database, { encoder: picky });
    await relay.start(never);
    await eventually(() => relay.producer.acknowledged.length >= 10);
    expect(codes()).toEqual([
      'EVENT_UNROUTABLE',
      'EVENT_UNROUTABLE',
      'PAYLOAD_INVALID',
      'EVENT_UNKNOWN',
      'ENVELOPE_INVALID',
      'PAYLOAD_INVALID',
      'PAYLOAD_INVALID',
      'ENVELOPE_INVALID',
    ]);
    const events = relay.producer.acknowledged.filter((record) => record.topic === database.names.eventTopic('image.registered'));
    expect(events.map((record) => headerText(record.headers, 'id'))).toEqual([before, after]);
    const [first, , third] = letters();
    expect(headerText(first!.headers, 'id')).toBe(unroutable);
    expect(headerText(first!.headers, 'dlt-original-topic')).toBe(database.names.eventTopic('image.nowhere'));
    expect(headerText(first!.headers, 'dlt-service')).toBe('relay.image');
    expect(headerText(first!.headers, 'dlt-lsn')).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
    expect(Date.parse(headerText(first!.headers, 'dlt-failed-at')!)).toBeGreaterThan(Date.now() - 60_000);
    expect(utf8Text(third!.value!)).toBe('{"bad": 12345678901234567890}');
    expect(utf8Text(third!.key!)).toBe('user-7');
    await relay.stop(soon());
    expect(findEarlyAcknowledgement(relay, await database.commits())).toBeUndefined();
  });

  it('are found one by one when Kafka refuses a batch for one large record', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 9; index += 1) {
      ids.push(await database.insert({ payload: index === 4 ? `{"filler": "${'x'.repeat(5000)}"}` : `{"n": ${index}}` }));
    }
    relay = relayUnderTest(database);
    const topic = database.names.eventTopic('image.registered');
    relay.producer.failWith((records) =>
      records.some((record) => record.topic === topic && recordBytes(record) > 4000)
        ? new ClassifiedError('RECORD_TOO_LARGE', 'too large')
        : undefined,
    );
    await relay.start(never);
    await eventually(() => relay.producer.acknowledged.length >= 9);
    expect(codes()).toEqual(['RECORD_TOO_LARGE']);
    expect(letters()[0]!.value!.length).toBeGreaterThan(5000);
    expect(relay.producer.acknowledgedIds()).toEqual(ids);
  });

  it('leave a pointer when the dead-letter topic, too, refuses the payload', async () => {
    relay = relayUnderTest(database);
    relay.producer.failWith((records) =>
      records.some((record) => recordBytes(record) > 4000) ? new ClassifiedError('RECORD_TOO_LARGE', 'too large') : undefined,
    );
    await relay.start(never);
    const large = await database.insert({ payload: `{"filler": "${'x'.repeat(5000)}"}` });
    const small = await database.insert();
    await eventually(() => relay.producer.acknowledged.length >= 2);
    expect(relay.producer.acknowledgedIds()).toEqual([large, small]);
    const [letter] = letters();
    expect(letter!.value).toBeNull();
    expect(headerText(letter!.headers, 'dlt-payload')).toBe('outbox');
    expect(Number(headerText(letter!.headers, 'dlt-payload-bytes'))).toBeGreaterThan(5000);
  });

  it('are not made by an outage: the registry is waited for and nothing is skipped', async () => {
    let away = true;
    relay = relayUnderTest(database, {
      encoder: {
        encode: async (type, json) => {
          if (away) throw new ClassifiedError('REGISTRY_UNAVAILABLE', 'away');
          return JSON_PASS_THROUGH.encode(type, json);
        },
      },
    });
    await relay.start(never);
    const ids = [await database.insert(), await database.insert()];
    await eventually(() => relay.health()[0]!.detail?.startsWith('REGISTRY_UNAVAILABLE') === true);
    away = false;
    await eventually(() => relay.producer.acknowledged.length >= 2);
    expect(relay.producer.acknowledgedIds()).toEqual(ids);
    expect(letters()).toEqual([]);
  });
});
