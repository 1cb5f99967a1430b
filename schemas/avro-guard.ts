import avsc from 'avsc';
import type { Json } from '../core/json.ts';

/**
 * Reads Avro bodies that anybody may have written. avsc itself reads them without bounds: six bytes that claim an array of
 * 200 million nulls exhaust the heap, and a map key `__proto__` replaces the prototype of the map. Here
 *
 * - the body has a largest size, and no collection may claim more items than the bytes that are left could hold; items
 *   that take no bytes (null, a record without fields) have a budget of their own;
 * - nesting has a largest depth;
 * - every name becomes an own property of a plain object;
 * - a `long` beyond 2^53 and a number that is not finite are refused, never rounded (payloads are JSON);
 * - nothing may be left over.
 */
export interface AvroLimits {
  readonly maxBytes: number;
  readonly maxEmptyItems: number;
  readonly maxDepth: number;
}

export const AVRO_LIMITS: AvroLimits = { maxBytes: 8 * 1024 * 1024, maxEmptyItems: 1_000, maxDepth: 64 };

/** Reads the body that begins at `from` and goes to the end of the bytes. @throws AvroFault */
export type AvroReader = (bytes: Uint8Array, from?: number) => Json;

/** Why a body was refused. The message never holds a part of it. */
export class AvroFault extends Error {}

/** Compiles a reader of one writer's schema. Bytes and fixed become text with one character per byte, as Avro's JSON has it. */
export function compileAvroReader(type: avsc.Type, limits: AvroLimits = AVRO_LIMITS): AvroReader {
  const { read } = new Compiler().node(type);
  return (bytes, from = 0) => {
    if (bytes.length - from > limits.maxBytes) throw new AvroFault(`the body has more than ${limits.maxBytes} bytes`);
    const input = new Input(bytes, from, limits);
    const value = read(input, 0);
    if (input.left > 0) throw new AvroFault('there are bytes after the end of the value');
    return value;
  };
}

/** Sets an own property, whatever its name. */
export function setOwn(target: Record<string, Json>, name: string, value: Json): void {
  if (name === '__proto__') Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
  else target[name] = value;
}

type Read = (input: Input, depth: number) => Json;

interface Node {
  read: Read;
  /** The fewest bytes that a value takes. */
  minBytes: number;
}

class Compiler {
  /** Named types may contain themselves. */
  private readonly known = new Map<avsc.Type, Node>();

  node(type: avsc.Type): Node {
    const known = this.known.get(type);
    if (known !== undefined) return known;
    const node: Node = { read: () => null, minBytes: 0 };
    this.known.set(type, node);
    Object.assign(node, this.compile(type));
    return node;
  }

  private compile(type: avsc.Type): Node {
    const { types } = avsc;
    if (type instanceof types.RecordType) return this.record(type);
    if (type instanceof types.ArrayType) return this.array(this.node(type.itemsType));
    if (type instanceof types.MapType) return this.map(this.node(type.valuesType as avsc.Type));
    if (type instanceof types.EnumType) return enumeration(type.symbols);
    if (type instanceof types.FixedType) return fixed(type.size);
    if (type instanceof types.UnwrappedUnionType || type instanceof types.WrappedUnionType) return this.union(type.types);
    const primitive = PRIMITIVES[type.typeName];
    if (primitive === undefined) throw new AvroFault(`schemas with ${type.typeName} are not supported`);
    return primitive;
  }

  private record(type: avsc.types.RecordType): Node {
    const fields = type.fields.map((field) => ({ name: field.name, node: this.node(field.type) }));
    return {
      minBytes: fields.reduce((sum, field) => sum + field.node.minBytes, 0),
      read: (input, depth) => {
        const value: Record<string, Json> = {};
        for (const field of fields) setOwn(value, field.name, field.node.read(input, input.deeper(depth)));
        return value;
      },
    };
  }

  private array(items: Node): Node {
    return {
      minBytes: 1,
      read: (input, depth) => {
        const values: Json[] = [];
        const inner = input.deeper(depth);
        for (let count = input.blockCount(items.minBytes); count > 0; count = input.blockCount(items.minBytes)) {
          for (let index = 0; index < count; index += 1) values.push(items.read(input, inner));
        }
        return values;
      },
    };
  }

  private map(values: Node): Node {
    return {
      minBytes: 1,
      read: (input, depth) => {
        const map: Record<string, Json> = {};
        const inner = input.deeper(depth);
        // A key takes at least the byte of its length.
        for (let count = input.blockCount(1 + values.minBytes); count > 0; count = input.blockCount(1 + values.minBytes)) {
          for (let index = 0; index < count; index += 1) setOwn(map, input.text(), values.read(input, inner));
        }
        return map;
      },
    };
  }

  private union(types: readonly avsc.Type[]): Node {
    const branches = types.map((type) => this.node(type));
    return {
      minBytes: 1 + Math.min(...branches.map((branch) => branch.minBytes)),
      read: (input, depth) => input.oneOf(branches).read(input, input.deeper(depth)),
    };
  }
}

const PRIMITIVES: Readonly<Record<string, Node>> = {
  null: { minBytes: 0, read: () => null },
  boolean: { minBytes: 1, read: (input) => input.boolean() },
  int: { minBytes: 1, read: (input) => input.int() },
  long: { minBytes: 1, read: (input) => input.long() },
  float: { minBytes: 4, read: (input) => input.number(4) },
  double: { minBytes: 8, read: (input) => input.number(8) },
  bytes: { minBytes: 1, read: (input) => input.take(input.length()).toString('latin1') },
  string: { minBytes: 1, read: (input) => input.text() },
};

function enumeration(symbols: readonly string[]): Node {
  return { minBytes: 1, read: (input) => input.oneOf(symbols) };
}

function fixed(size: number): Node {
  return { minBytes: size, read: (input) => input.take(size).toString('latin1') };
}

const TOO_SHORT = 'the value ends before its end';

const utf8 = new TextDecoder('utf-8', { fatal: true });

class Input {
  private readonly bytes: Buffer;
  private readonly limits: AvroLimits;
  private position: number;
  private emptyItems = 0;

  constructor(body: Uint8Array, from: number, limits: AvroLimits) {
    this.position = from;
    this.bytes = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    this.limits = limits;
  }

  get left(): number {
    return this.bytes.length - this.position;
  }

  deeper(depth: number): number {
    if (depth >= this.limits.maxDepth) throw new AvroFault(`the value is nested deeper than ${this.limits.maxDepth} levels`);
    return depth + 1;
  }

  take(count: number): Buffer {
    if (count > this.left) throw new AvroFault(TOO_SHORT);
    this.position += count;
    return this.bytes.subarray(this.position - count, this.position);
  }

  boolean(): boolean {
    const byte = this.byte();
    if (byte > 1) throw new AvroFault('a boolean is neither true nor false');
    return byte === 1;
  }

  int(): number {
    const value = this.long();
    if (value !== (value | 0)) throw new AvroFault('an int has more than 32 bits');
    return value;
  }

  number(size: 4 | 8): number {
    const bytes = this.take(size);
    const value = size === 4 ? bytes.readFloatLE(0) : bytes.readDoubleLE(0);
    if (!Number.isFinite(value)) throw new AvroFault('a number is not finite');
    return value;
  }

  text(): string {
    const length = this.length();
    if (length > this.left) throw new AvroFault(TOO_SHORT);
    const from = this.position;
    this.position += length;
    const text = this.bytes.toString('utf8', from, this.position);
    // The replacement character stands for malformed bytes, or for itself.
    return text.includes('\ufffd') ? this.strictText(this.bytes.subarray(from, this.position)) : text;
  }

  length(): number {
    const length = this.long();
    if (length < 0) throw new AvroFault('a length is negative');
    return length;
  }

  oneOf<T>(choices: readonly T[]): T {
    const choice = choices[this.long()];
    if (choice === undefined) throw new AvroFault('a branch or symbol that the schema does not have');
    return choice;
  }

  /** The number of items of the next block, 0 at the end of the collection. */
  blockCount(itemBytes: number): number {
    let count = this.long();
    if (count < 0) {
      count = -count;
      if (this.length() > this.left) throw new AvroFault('a block is longer than what is left');
    }
    if (itemBytes === 0) this.emptyItems += count;
    if (count * itemBytes > this.left || this.emptyItems > this.limits.maxEmptyItems)
      throw new AvroFault('a collection claims too many items');
    return count;
  }

  /** A variable-length zigzag integer. */
  long(): number {
    let bits = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      bits |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (bits >>> 1) ^ -(bits & 1);
    }
    return this.wideLong(BigInt(bits));
  }

  private wideLong(low: bigint): number {
    let bits = low;
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      bits |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      const value = BigInt.asIntN(64, (BigInt.asUintN(64, bits) >> 1n) ^ -(bits & 1n));
      const number = Number(value);
      if (!Number.isSafeInteger(number)) throw new AvroFault('an integer is beyond 2^53 and would be rounded');
      return number;
    }
    throw new AvroFault('an integer has more than ten bytes');
  }

  private byte(): number {
    const byte = this.bytes[this.position];
    if (byte === undefined) throw new AvroFault(TOO_SHORT);
    this.position += 1;
    return byte;
  }

  private strictText(bytes: Buffer): string {
    try {
      return utf8.decode(bytes);
    } catch {
      throw new AvroFault('text is not UTF-8');
    }
  }
}
