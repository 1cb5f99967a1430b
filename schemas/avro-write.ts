import avsc from 'avsc';
import type { Json } from '../core/json.ts';
import { branchOf } from './avro-conform.ts';
import { setOwn } from './avro-guard.ts';

/** Writes a value that conforms to the type (avro-conform.ts) as an Avro body. */
export function writeAvro(type: avsc.Type, value: Json): Buffer {
  return type.toBuffer(asAvscValue(type, value));
}

/** avsc wants bytes as buffers, and the branches of ambiguous unions named. */
function asAvscValue(type: avsc.Type, value: Json): unknown {
  const { types } = avsc;
  if (type instanceof types.BytesType || type instanceof types.FixedType) return Buffer.from(value as string, 'latin1');
  if (type instanceof types.UnwrappedUnionType || type instanceof types.WrappedUnionType) return asBranch(type, value);
  if (type instanceof types.ArrayType) return (value as readonly Json[]).map((item) => asAvscValue(type.itemsType, item));
  if (type instanceof types.MapType) return asProperties(value, () => type.valuesType as avsc.Type);
  if (type instanceof types.RecordType) {
    const fields = new Map(type.fields.map((field) => [field.name, field.type]));
    return asProperties(value, (name) => fields.get(name));
  }
  return value;
}

function asBranch(type: avsc.types.UnwrappedUnionType | avsc.types.WrappedUnionType, value: Json): unknown {
  const branch = branchOf(type.types, value);
  if (branch === undefined || value === null) return value;
  const inner = asAvscValue(branch, value);
  return type instanceof avsc.types.WrappedUnionType ? { [branch.branchName ?? branch.typeName]: inner } : inner;
}

function asProperties(value: Json, typeOf: (name: string) => avsc.Type | undefined): object {
  const result: Record<string, Json> = {};
  for (const [name, inner] of Object.entries(value as Record<string, Json>)) {
    const type = typeOf(name);
    // What avsc takes is not JSON (buffers), but the setter does not look at it.
    if (type !== undefined) setOwn(result, name, asAvscValue(type, inner) as Json);
  }
  return result;
}
