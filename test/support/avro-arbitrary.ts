import fc from 'fast-check';
import type { AvroRecord, AvroType } from '../../schemas/avro-schema.ts';

/** Few, so that ids of different events meet. */
const TEXTS = ['a', 'b', 'c', '4', '한글', 'd\'"\\'];

/** Payloads that a schema allows, as JSON. A field with a default may be missing. */
export function payloadOf(schema: AvroRecord): fc.Arbitrary<Record<string, unknown>> {
  const optional = schema.fields.filter((field) => field.default !== undefined).map(({ name }) => name);
  const required = schema.fields.map(({ name }) => name).filter((name) => !optional.includes(name));
  const fields = Object.fromEntries(schema.fields.map(({ name, type }) => [name, valueOf(type)]));
  return fc.record(fields, { requiredKeys: required, noNullPrototype: true });
}

function valueOf(type: AvroType): fc.Arbitrary<unknown> {
  if (Array.isArray(type)) return fc.oneof(...(type as readonly AvroType[]).map(valueOf));
  if (typeof type === 'string') return primitiveOf(type);
  const complex = type as Exclude<AvroType, string | readonly AvroType[]>;
  switch (complex.type) {
    case 'record':
      return payloadOf(complex);
    case 'enum':
      return fc.constantFrom(...complex.symbols);
    case 'array':
      return fc.array(valueOf(complex.items), { maxLength: 3 });
    case 'map':
      return fc.dictionary(fc.constantFrom(...TEXTS), valueOf(complex.values), { maxKeys: 3, noNullPrototype: true });
  }
}

function primitiveOf(type: string): fc.Arbitrary<unknown> {
  switch (type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'int':
    case 'long':
      return fc.nat({ max: 100 });
    case 'float':
    case 'double':
      return fc.integer({ min: 0, max: 8 }).map((eighths) => eighths / 8);
    case 'string':
      return fc.constantFrom(...TEXTS);
    default:
      throw new RangeError(`no values of type ${type}`);
  }
}
