import { gzipSync } from 'node:zlib';
import kafkajs from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { BYTES_MAX } from './byte-sink.ts';
import { registerCodecs } from './kafkajs-codecs.ts';
import { lz4Decompress } from './lz4.ts';
import { snappyDecompress } from './snappy.ts';

const LZ4_HEAD = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
const lz4 = (...block: number[]): Buffer => Buffer.from([...LZ4_HEAD, block.length, 0, 0, 0, ...block, 0, 0, 0, 0]);

describe('what is decompressed', () => {
  it('is a block of Snappy with nothing around it, with literals and copies that overlap', () => {
    expect(snappyDecompress(Buffer.from([10, 0x04, 0x61, 0x62, 0x11, 0x02])).toString()).toBe('ababababab');
  });

  it('is a frame of LZ4 with literals and copies that overlap', () => {
    expect(lz4Decompress(lz4(0x24, 0x61, 0x62, 2, 0, 0)).toString()).toBe('ababababab');
  });

  it.each<[string, () => Buffer]>([
    ['Snappy that is cut off', () => snappyDecompress(Buffer.from([10, 0x04, 0x61]))],
    ['Snappy that is shorter than it says', () => snappyDecompress(Buffer.from([11, 0x04, 0x61, 0x62, 0x11, 0x02]))],
    ['Snappy that refers to before its beginning', () => snappyDecompress(Buffer.from([10, 0x04, 0x61, 0x62, 0x11, 0x09]))],
    ['no bytes of Snappy', () => snappyDecompress(Buffer.alloc(0))],
    ['LZ4 that is cut off', () => lz4Decompress(lz4(0x24, 0x61, 0x62, 2, 0, 0).subarray(0, 14))],
    ['LZ4 that refers to before its beginning', () => lz4Decompress(lz4(0x24, 0x61, 0x62, 9, 0, 0))],
    ['LZ4 that refers to nothing', () => lz4Decompress(lz4(0x24, 0x61, 0x62, 0, 0, 0))],
    ['no frame of LZ4', () => lz4Decompress(Buffer.from('nothing'))],
  ])('is never %s', (_what, decompress) => {
    expect(decompress).toThrow(RangeError);
  });

  it('is never more than is read at once, however little says so', () => {
    const bomb = Array.from({ length: 1_100_000 }, () => 255);
    expect(() => lz4Decompress(lz4Large([0x1f, 0x61, 1, 0, ...bomb, 0, 0]))).toThrow('more than anything');
  });

  it('is never more than is read at once of gzip either, and else all of it', async () => {
    registerCodecs();
    const codec = kafkajs.CompressionCodecs[kafkajs.CompressionTypes.GZIP]() as { decompress(input: Buffer): Promise<Buffer> };
    expect(String(await codec.decompress(gzipSync('records')))).toBe('records');
    const bomb = gzipSync(Buffer.alloc(BYTES_MAX + 1), { level: 1 });
    await expect(codec.decompress(bomb)).rejects.toMatchObject({ code: 'ERR_BUFFER_TOO_LARGE' });
  });
});

function lz4Large(block: readonly number[]): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(block.length);
  return Buffer.concat([Buffer.from(LZ4_HEAD), head, Buffer.from(block), Buffer.alloc(4)]);
}
