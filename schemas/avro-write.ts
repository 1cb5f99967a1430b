import avsc from 'avsc';
import type { Json } from '../core/json.ts';
import { branchOf } from './avro-conform.ts';

/**
 * Writes a value that conforms to the type (avro-conform.ts) as an Avro body. Not by avsc, which calculates integers beyond
 * 2^52 in floating point: -4503599627370497 would be written as 4503599627370496.
 */
export function writeAvro(type: avsc.Type, value: Json): Uint8Array {
  const output = new Output();
  write(type, value, output);
  return output.bytes();
}

function write(type: avsc.Type, value: Json, output: Output): void {
  const { types } = avsc;
  if (type instanceof types.RecordType) {
    for (const field of type.fields) write(field.type, property(value, field.name), output);
  } else if (type instanceof types.ArrayType) {
    const items = value as readonly Json[];
    output.block(items.length, () => {
      for (const item of items) write(type.itemsType, item, output);
    });
  } else if (type instanceof types.MapType) {
    const entries = Object.entries(value as Record<string, Json>);
    output.block(entries.length, () => {
      for (const [key, item] of entries) {
        output.text(key);
        write(type.valuesType as avsc.Type, item, output);
      }
    });
  } else if (type instanceof types.UnwrappedUnionType || type instanceof types.WrappedUnionType) {
    const branch = branchOf(type.types, value);
    output.integer(type.types.indexOf(branch));
    write(branch, value, output);
  } else if (type instanceof types.EnumType) {
    output.integer(type.symbols.indexOf(value as string));
  } else if (type instanceof types.FixedType) {
    output.raw(Buffer.from(value as string, 'latin1'));
  } else {
    writePrimitive(type.typeName, value, output);
  }
}

function writePrimitive(typeName: string, value: Json, output: Output): void {
  switch (typeName) {
    case 'boolean':
      output.raw(Buffer.of(value === true ? 1 : 0));
      return;
    case 'int':
    case 'long':
      output.integer(value as number);
      return;
    case 'float':
      output.float(value as number);
      return;
    case 'double':
      output.double(value as number);
      return;
    case 'bytes':
      output.sized(Buffer.from(value as string, 'latin1'));
      return;
    case 'string':
      output.text(value as string);
  }
}

/** An own property: a field may be called `__proto__`. */
function property(value: Json, name: string): Json {
  return Object.getOwnPropertyDescriptor(value, name)?.value as Json;
}

class Output {
  private buffer = Buffer.allocUnsafe(512);
  private length = 0;

  bytes(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.buffer, 0, this.length);
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  sized(bytes: Uint8Array): void {
    this.integer(bytes.length);
    this.raw(bytes);
  }

  text(text: string): void {
    const length = Buffer.byteLength(text);
    this.integer(length);
    this.reserve(length);
    this.length += this.buffer.write(text, this.length);
  }

  float(value: number): void {
    this.reserve(4);
    this.length = this.buffer.writeFloatLE(value, this.length);
  }

  double(value: number): void {
    this.reserve(8);
    this.length = this.buffer.writeDoubleLE(value, this.length);
  }

  /** One block with all items, and the empty block that ends the collection. */
  block(count: number, writeItems: () => void): void {
    if (count > 0) {
      this.integer(count);
      writeItems();
    }
    this.integer(0);
  }

  /** A variable-length zigzag integer. */
  integer(value: number): void {
    this.reserve(10);
    if (value !== value >> 0 || Math.abs(value) > 0x3fffffff) {
      this.wideInteger(BigInt(value));
      return;
    }
    let rest = (value << 1) ^ (value >> 31);
    while (rest > 0x7f) {
      this.length = this.buffer.writeUInt8((rest & 0x7f) | 0x80, this.length);
      rest >>>= 7;
    }
    this.length = this.buffer.writeUInt8(rest, this.length);
  }

  private wideInteger(value: bigint): void {
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    while (rest > 0x7fn) {
      this.length = this.buffer.writeUInt8(Number(rest & 0x7fn) | 0x80, this.length);
      rest >>= 7n;
    }
    this.length = this.buffer.writeUInt8(Number(rest), this.length);
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.length + bytes));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }
}
