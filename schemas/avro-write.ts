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
        output.sized(Buffer.from(key));
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
      output.raw(new Uint8Array(new Float32Array([value as number]).buffer));
      return;
    case 'double':
      output.raw(new Uint8Array(new Float64Array([value as number]).buffer));
      return;
    case 'bytes':
      output.sized(Buffer.from(value as string, 'latin1'));
      return;
    case 'string':
      output.sized(Buffer.from(value as string));
  }
}

/** An own property: a field may be called `__proto__`. */
function property(value: Json, name: string): Json {
  return Object.getOwnPropertyDescriptor(value, name)?.value as Json;
}

class Output {
  private readonly parts: Uint8Array[] = [];

  bytes(): Uint8Array {
    return Buffer.concat(this.parts);
  }

  raw(bytes: Uint8Array): void {
    this.parts.push(bytes);
  }

  sized(bytes: Uint8Array): void {
    this.integer(bytes.length);
    this.raw(bytes);
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
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
    while (rest > 0x7fn) {
      bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
    this.raw(Uint8Array.from(bytes));
  }
}
