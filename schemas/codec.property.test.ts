import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { offset } from '../core/offset.ts';
import { utf8, type ConsumedRecord } from '../core/record.ts';
import { createAvroEncoder, createPayloadDecoder } from './codec.ts';
import { schemaOf } from './event-schema.ts';
import { SCHEMAS } from './generated/events.ts';
import { encodeFrame } from './wire-format.ts';

const registry = {
  idOf: async () => 1,
  schemaById: async () => SCHEMAS.ScanCompleted.latest as unknown as Json,
};
const decoder = createPayloadDecoder({ registry, readerSchemaOf: schemaOf });
const encoder = createAvroEncoder({ registry, subjectOf: () => 's', schemaOf });

function record(value: Uint8Array): ConsumedRecord {
  return { topic: 't', partition: 0, offset: offset(0n), key: null, value, headers: [], timestampMs: 0 };
}

async function onlyClassified(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(ClassifiedError);
  }
}

const valid = fc.record({
  scan_id: fc.string(),
  user_id: fc.string(),
  category: fc.string({ unit: 'grapheme' }),
  reward_eligible: fc.boolean(),
  confidence: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
  version: fc.string(),
  image_id: fc.option(fc.string()),
});

describe('the codec', () => {
  it('meets any bytes with a payload or a classified error, and never hangs', async () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ maxLength: 200 }).map((body) => encodeFrame(1, body)),
      fc.json().map(utf8),
      fc.string().map((text) => utf8(`{${text}`)),
    );
    await fc.assert(
      fc.asyncProperty(anything, async (value) => {
        await onlyClassified(decoder.decode('ScanCompleted', record(value)));
        await onlyClassified(encoder.encode('ScanCompleted', value));
      }),
      { numRuns: 2_000 },
    );
  });

  it('meets values with one byte changed the same way', async () => {
    await fc.assert(
      fc.asyncProperty(valid, fc.nat(), fc.integer({ min: 0, max: 255 }), async (payload, at, byte) => {
        const { value } = await encoder.encode('ScanCompleted', utf8(JSON.stringify(payload)));
        value[5 + (at % (value.length - 5))] = byte;
        await onlyClassified(decoder.decode('ScanCompleted', record(value)));
      }),
      { numRuns: 1_000 },
    );
  });

  it('gives back what it was given', async () => {
    await fc.assert(
      fc.asyncProperty(valid, async (payload) => {
        const { value } = await encoder.encode('ScanCompleted', utf8(JSON.stringify(payload)));
        // JSON has no negative zero.
        expect(await decoder.decode('ScanCompleted', record(value))).toEqual(JSON.parse(JSON.stringify(payload)));
      }),
      { numRuns: 500 },
    );
  });
});
