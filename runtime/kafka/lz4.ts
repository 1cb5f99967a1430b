import { ByteSink } from './byte-sink.ts';

const MAGIC = 0x184d2204;
const MATCH_MIN = 4;

/** Reads one LZ4 frame, as every Kafka client writes it. Checksums are the broker's to see to. @throws RangeError for what is none. */
export function lz4Decompress(input: Buffer): Buffer {
  if (input.readUInt32LE(0) !== MAGIC) throw new RangeError('lz4: no frame');
  const flags = input.readUInt8(4);
  const [blockChecksum, contentSize, dictionary] = [flags & 0x10, flags & 0x08, flags & 0x01];
  // Magic, flags, block size, then what the flags name, and one byte of checksum.
  let at = 6 + (contentSize === 0 ? 0 : 8) + (dictionary === 0 ? 0 : 4) + 1;
  const output = new ByteSink();
  for (;;) {
    const head = input.readUInt32LE(at);
    at += 4;
    if (head === 0) return output.bytes();
    const size = head & 0x7fffffff;
    if (at + size > input.length) throw new RangeError('lz4: a block is cut off');
    if (head > 0x7fffffff) output.append(input, at, size);
    else readBlock(input.subarray(at, at + size), output);
    at += size + (blockChecksum === 0 ? 0 : 4);
  }
}

/** Literals, and copies of what is there already: also of the blocks before, which a frame may link. */
function readBlock(block: Buffer, output: ByteSink): void {
  let at = 0;
  const lengthFrom = (nibble: number): number => {
    let length = nibble;
    for (let more = nibble === 15 ? 255 : 0; more === 255; length += more) {
      more = block.readUInt8(at);
      at += 1;
    }
    return length;
  };
  while (at < block.length) {
    const token = block.readUInt8(at);
    at += 1;
    const literals = lengthFrom(token >> 4);
    output.append(block, at, literals);
    at += literals;
    // The last sequence has no copy.
    if (at === block.length) return;
    const distance = block.readUInt16LE(at);
    at += 2;
    output.copy(distance, lengthFrom(token & 15) + MATCH_MIN);
  }
}
