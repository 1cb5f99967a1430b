import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CopyFrames } from './copy-frames.ts';

type Message =
  | { readonly is: 'wal'; readonly payload: Uint8Array }
  | { readonly is: 'keepalive'; readonly walEnd: bigint; readonly reply: boolean }
  | { readonly is: 'other'; readonly tag: number; readonly body: Uint8Array };

/** Payloads that begin with a `!` are what nobody needs. */
const UNWANTED = 0x21;

const messages: fc.Arbitrary<Message[]> = fc.array(
  fc.oneof(
    fc.record({ is: fc.constant('wal' as const), payload: fc.uint8Array({ maxLength: 300 }).filter(([first]) => first !== UNWANTED) }),
    fc.record({ is: fc.constant('keepalive' as const), walEnd: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), reply: fc.boolean() }),
    fc.record({ is: fc.constant('other' as const), tag: fc.constantFrom(0x45, 0x4e, 0x57, 0x63), body: fc.uint8Array({ maxLength: 40 }) }),
  ),
  { maxLength: 30 },
);

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const framed = (tag: number, body: Buffer): Buffer => Buffer.concat([Buffer.of(tag), uint32(body.length + 4), body]);

function encode(message: Message, sentAt: bigint): Buffer {
  if (message.is === 'other') return framed(message.tag, Buffer.from(message.body));
  const head = Buffer.alloc(message.is === 'wal' ? 25 : 18);
  head[0] = message.is === 'wal' ? 0x77 : 0x6b;
  if (message.is === 'wal') {
    head.writeBigInt64BE(sentAt, 17);
    return framed(0x64, Buffer.concat([head, message.payload]));
  }
  head.writeBigUInt64BE(message.walEnd, 1);
  head[17] = message.reply ? 1 : 0;
  return framed(0x64, head);
}

function frames(bufferBytes: number) {
  const seen: Message[] = [];
  const under = new CopyFrames(
    {
      onWal: (bytes, start, end) => seen.push({ is: 'wal', payload: Uint8Array.from(bytes.subarray(start, end)) }),
      onKeepalive: (walEnd, reply) => seen.push({ is: 'keepalive', walEnd, reply }),
      isUnwanted: (bytes, start) => bytes[start] === UNWANTED,
      onOther: (message) => seen.push({ is: 'other', tag: message[0]!, body: Uint8Array.from(message.subarray(5)) }),
    },
    bufferBytes,
  );
  /** As a socket does it: at most what is free, at most so many at once. */
  const read = (bytes: Buffer, sizes: readonly number[]): void => {
    for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
      const free = under.free();
      expect(free.length).toBeGreaterThan(0);
      const count = Math.min(free.length, sizes[turn % sizes.length]!, bytes.length - at);
      bytes.copy(free, 0, at, at + count);
      at += count;
      under.taken(count);
    }
  };
  return { seen, under, read };
}

describe('the messages of a replication connection', () => {
  it('are found whole and in order, however the bytes are cut and however small the buffer is', () => {
    fc.assert(
      fc.property(
        messages,
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 8 }),
        fc.constantFrom(16, 64, 500),
        (sent, sizes, buffer) => {
          const { seen, under, read } = frames(buffer);
          read(Buffer.concat(sent.map((message, index) => encode(message, BigInt(index + 1)))), sizes);
          expect(seen).toEqual(sent);
          expect(under.sentAtPostgresUs).toBe(sent.map(({ is }) => is).lastIndexOf('wal') + 1);
          // The memory of a large message is given back with it.
          expect(under.free().length).toBe(buffer);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('that are none of the protocol are refused', () => {
    const short = framed(0x64, Buffer.concat([Buffer.of(0x77), Buffer.alloc(10)]));
    for (const bytes of [framed(0x64, Buffer.of(0x7a)), Buffer.of(0x64, 0, 0, 0, 3), Buffer.of(0x64, 0xff, 0, 0, 0), short]) {
      expect(() => frames(64).read(bytes, [64])).toThrow(RangeError);
    }
  });

  it('drop a message that is too large and unwanted as it comes, without room for it, and lose nothing around it', () => {
    const wal = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((payload) => {
      payload[0] = 0x49;
      return { is: 'wal' as const, payload };
    });
    const unwanted = fc.uint8Array({ minLength: 2_000, maxLength: 9_000 }).map((payload) => {
      payload[0] = UNWANTED;
      return { is: 'wal' as const, payload };
    });
    fc.assert(
      fc.property(
        fc.array(fc.oneof(wal, unwanted), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 1_500 }), { minLength: 1 }),
        (all, sizes) => {
          const { seen, under, read } = frames(1_024);
          read(Buffer.concat(all.map((message) => encode(message, 1n))), sizes);
          expect(seen).toEqual(all.filter(({ payload }) => payload[0] !== UNWANTED));
          expect(under.free().length).toBe(1_024);
        },
      ),
    );
  });
});
