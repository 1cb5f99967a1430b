import { expect, test } from 'vitest';
import { parseEnvelope } from '../../core/envelope.ts';
import type { Json } from '../../core/json.ts';
import { utf8Text } from '../../core/record.ts';
import { createPayloadDecoder } from '../../schemas/codec.ts';
import { schemaOf } from '../../schemas/event-schema.ts';
import { EVENT_TYPE, keyNumber, recordOf } from './handler-topic.ts';
import { isPoison, poisonAmong } from './soak-load.ts';

test('a record has a value of 200 bytes that the product can read, whatever its key', async () => {
  const decoder = createPayloadDecoder({
    registry: { schemaById: async () => schemaOf(EVENT_TYPE) as unknown as Json },
    readerSchemaOf: schemaOf,
  });
  for (const n of [0, 9, 123, 9_999, 10_000, 99_999]) {
    const record = await recordOf('topic', n, 10_000);
    const key = utf8Text(record.key ?? new Uint8Array());
    expect(record.value).toHaveLength(200);
    expect(keyNumber(key)).toBe(n % 10_000);
    expect(parseEnvelope(record.headers, key)).toMatchObject({
      type: EVENT_TYPE,
      aggregateId: key,
      version: BigInt(Math.floor(n / 10_000) + 1),
    });
    const read = await decoder.decode(EVENT_TYPE, { ...record, partition: 0, offset: 0n as never, timestampMs: 0 });
    expect(read).toMatchObject({ user_id: key });
  }
});

test('one event in a hundred is poison, the first among them', async () => {
  const poison = [];
  for (let n = 0; n < 250; n += 1) {
    const { headers, key } = await recordOf('topic', n, 100);
    if (isPoison(parseEnvelope(headers, utf8Text(key ?? new Uint8Array())).id)) poison.push(n);
  }
  expect(poison).toEqual([0, 100, 200]);
  expect(poisonAmong(250)).toBe(3);
  expect(poisonAmong(200)).toBe(2);
});
