import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../core/record.ts';
import { encodeFrame, FRAME_BODY_AT, readWireValue } from './wire-format.ts';

describe('the wire format', () => {
  it('holds the id and the body, byte for byte as Confluent has it', () => {
    expect([...encodeFrame(258, new Uint8Array([7, 8]))]).toEqual([0, 0, 0, 1, 2, 7, 8]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fffffff }), fc.uint8Array(), (schemaId, body) => {
        const frame = encodeFrame(schemaId, body);
        expect(readWireValue(frame)).toEqual({ kind: 'frame', schemaId });
        expect(frame.subarray(FRAME_BODY_AT)).toEqual(body);
      }),
    );
  });

  it('is told apart from JSON by its first byte, and from everything else', () => {
    for (const text of ['{}', '[1]', ' \r\n\t{"a":1}']) expect(readWireValue(utf8(text)).kind).toBe('json');
    for (const text of ['', ' ', '"text"', '1', 'null', 'x{}']) expect(readWireValue(utf8(text)).kind).toBe('unknown');
    for (const bytes of [[0], [0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0xff, 0xff, 0xff, 0xff], [1, 0, 0, 0, 1]]) {
      expect(readWireValue(new Uint8Array(bytes)).kind).toBe('unknown');
    }
  });

  it('does not write an id that it could not read', () => {
    for (const id of [0, -1, 1.5, 2 ** 31]) expect(() => encodeFrame(id, new Uint8Array())).toThrow(RangeError);
  });
});
