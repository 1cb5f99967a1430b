import * as zlib from 'node:zlib';
import kafkajs from 'kafkajs';
import { BYTES_MAX } from './byte-sink.ts';
import { lz4Decompress } from './lz4.ts';
import { snappyDecompress } from './snappy.ts';

const { CompressionCodecs, CompressionTypes } = kafkajs;

/** Of Node.js 22.15 and later. */
const { zstdDecompressSync } = zlib as { readonly zstdDecompressSync?: (input: Buffer, options: zlib.ZlibOptions) => Buffer };

const LIMITED: zlib.ZlibOptions = { maxOutputLength: BYTES_MAX };

/**
 * Lets kafkajs read what others have compressed (their producers, or a broker whose topics say so): it has GZIP alone, and a group
 * that meets a batch of any other kind could not go on; and its own would lay out a batch of whatever size. We write without compression.
 */
export function registerCodecs(): void {
  CompressionCodecs[CompressionTypes.GZIP] = () => readOnly((input) => zlib.gunzipSync(input, LIMITED));
  CompressionCodecs[CompressionTypes.Snappy] = () => readOnly(snappyDecompress);
  CompressionCodecs[CompressionTypes.LZ4] = () => readOnly(lz4Decompress);
  if (zstdDecompressSync === undefined) return;
  CompressionCodecs[CompressionTypes.ZSTD] = () => readOnly((input) => zstdDecompressSync(input, LIMITED));
}

function readOnly(decompress: (input: Buffer) => Buffer): object {
  return {
    compress: () => Promise.reject(new Error('records are written without compression')),
    decompress: (input: Buffer) => Promise.resolve().then(() => decompress(input)),
  };
}
