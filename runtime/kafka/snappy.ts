import { ByteSink } from './byte-sink.ts';

/** What Java's library writes before its blocks; librdkafka and Go write one block and nothing around it. */
const FRAMED = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const FRAME_HEAD_BYTES = 16;

/** @throws RangeError for what is no Snappy. */
export function snappyDecompress(input: Buffer): Buffer {
  const output = new ByteSink();
  if (!input.subarray(0, FRAMED.length).equals(FRAMED)) {
    readBlock(input, output);
    return output.bytes();
  }
  for (let at = FRAME_HEAD_BYTES; at < input.length;) {
    const length = input.readUInt32BE(at);
    at += 4;
    if (at + length > input.length) throw new RangeError('snappy: a block is cut off');
    readBlock(input.subarray(at, at + length), output);
    at += length;
  }
  return output.bytes();
}

/** One block: its length, then literals and copies of what is there already. */
function readBlock(block: Buffer, output: ByteSink): void {
  const [length, from] = readLength(block);
  const start = output.length;
  for (let at = from; at < block.length;) {
    const tag = block.readUInt8(at);
    const kind = tag & 3;
    at += 1;
    if (kind === 0) {
      const extra = Math.max(0, (tag >> 2) - 59);
      const size = (extra === 0 ? tag >> 2 : block.readUIntLE(at, extra)) + 1;
      at += extra;
      output.append(block, at, size);
      at += size;
    } else if (kind === 1) {
      output.copy(((tag >> 5) << 8) | block.readUInt8(at), ((tag >> 2) & 7) + 4);
      at += 1;
    } else {
      const bytes = kind === 2 ? 2 : 4;
      output.copy(block.readUIntLE(at, bytes), (tag >> 2) + 1);
      at += bytes;
    }
  }
  if (output.length - start !== length) throw new RangeError('snappy: a block is not as long as it says');
}

function readLength(block: Buffer): [length: number, at: number] {
  let length = 0;
  for (let at = 0; at < 5; at += 1) {
    const byte = block.readUInt8(at);
    length += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) return [length, at + 1];
  }
  throw new RangeError('snappy: the length of a block is longer than any');
}
