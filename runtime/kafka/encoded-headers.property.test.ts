import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EncodedHeaders } from './encoded-headers.ts';
import { parseEnvelope } from '../../core/envelope.ts';
import type { Header } from '../../core/record.ts';
import { headerText, utf8 } from '../../core/record.ts';

const NEIGHBOUR = Buffer.from([2, 0x61, 0]);

/** As the log holds them, slowly and as the format's description reads. */
function encoded(headers: readonly Header[]): EncodedHeaders {
  const bytes = headers.flatMap(([name, value]) => [
    ...varint(utf8(name).length),
    ...utf8(name),
    ...varint(value === null ? -1 : value.length),
    ...(value ?? []),
  ]);
  const block = Buffer.from([...varint(headers.length), ...bytes]);
  // Others lie around it.
  return new EncodedHeaders(Buffer.concat([NEIGHBOUR, block, NEIGHBOUR]), NEIGHBOUR.length, NEIGHBOUR.length + block.length);
}

function varint(value: number): number[] {
  let bits = value < 0 ? -value * 2 - 1 : value * 2;
  const bytes = [];
  for (; bits >= 128; bits = Math.floor(bits / 128)) bytes.push((bits % 128) + 128);
  return [...bytes, bits];
}

function texts(block: EncodedHeaders): [string, string | undefined][] {
  const read: [string, string | undefined][] = [];
  block.read({ header: (name, text) => read.push([name, text]) });
  return read;
}

const name = fc.oneof(fc.constantFrom('id', 'type', 'trace_id', 'constructor', ''), fc.string({ unit: 'binary', maxLength: 70 }));
const value = fc.oneof(
  fc.string({ maxLength: 200 }).map(utf8),
  fc.string({ unit: 'binary', maxLength: 80 }).map(utf8),
  fc.uint8Array({ maxLength: 80 }),
  fc.constant(null),
);
const anyHeaders = fc.array(fc.tuple(name, value), { maxLength: 12 });
const shown = (headers: readonly Header[]) => headers.map(([of, bytes]) => [of, bytes === null ? null : [...bytes]]);

describe('the headers of a record in the layout of the log', () => {
  it('are the same one by one and as text, whatever bytes they hold', () => {
    fc.assert(
      fc.property(anyHeaders, (headers) => {
        const block = encoded(headers);
        expect(shown(block.pairs())).toEqual(shown(headers));
        const separately = headers.map(([of, bytes]) => [of, headerText([[of, bytes]], of)]);
        expect(texts(block)).toEqual(separately);
      }),
    );
  });

  it('say the same of an envelope as the headers laid out, or are refused for the same reason', () => {
    const outcome = (read: () => unknown): unknown => {
      try {
        return read();
      } catch (error) {
        return (error as Error).message;
      }
    };
    fc.assert(
      fc.property(anyHeaders, (headers) => {
        expect(outcome(() => parseEnvelope(encoded(headers), 'k'))).toEqual(outcome(() => parseEnvelope(headers, 'k')));
      }),
    );
  });

  it('that end too early are read as far as they go', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const block = new EncodedHeaders(Buffer.from(bytes), 0, bytes.length);
        expect(texts(block).length).toBe(block.pairs().length);
      }),
    );
    const whole = [...varint(2), ...varint(1), 0x61, ...varint(1), 0x62, ...varint(1), 0x63];
    expect(texts(new EncodedHeaders(Buffer.from(whole), 0, whole.length))).toEqual([['a', 'b']]);
  });
});
