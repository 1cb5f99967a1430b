import avsc from 'avsc';
import { ClassifiedError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { setOwn } from './avro-guard.ts';

export interface ConformOptions {
  /** In messages. */
  readonly event: string;
  /** A writer must not lose what it was given; a reader may meet the fields of a later version. */
  readonly unknownFields: 'refuse' | 'drop';
}

/**
 * Brings plain JSON into the shape of a schema: missing fields get their defaults, aliases are followed, and whatever does
 * not fit is refused with the path of the field. This is also how a value of another schema version becomes one of ours,
 * whether it came as Avro or as JSON: what a reader gets is the same.
 *
 * Unions are written without their branch (`0.9`, not `{"double": 0.9}`); of several branches the first that fits is meant.
 * Bytes are text with one character per byte.
 *
 * @throws ClassifiedError PAYLOAD_INVALID; never with a value in the message.
 */
export function conform(type: avsc.Type, value: unknown, options: ConformOptions): Json {
  const found = fit(type, value, options.unknownFields, 0);
  if (found instanceof Misfit) throw new ClassifiedError('PAYLOAD_INVALID', `${printable(options.event)}: ${found.sentence()}`);
  return found;
}

/** The branch of a union that a conforming value means: the first that fits. */
export function branchOf(branches: readonly avsc.Type[], value: Json): avsc.Type {
  const branch = branches.find((candidate) => !(fit(candidate, value, 'refuse', 0) instanceof Misfit));
  if (branch === undefined) throw new ClassifiedError('PAYLOAD_INVALID', 'a value fits no branch of its union');
  return branch;
}

/** What does not fit, and where. The path grows on the way out. */
class Misfit {
  private readonly path: (string | number)[] = [];
  private readonly what: string;

  constructor(what: string) {
    this.what = what;
  }

  at(step: string | number): this {
    this.path.unshift(step);
    return this;
  }

  sentence(): string {
    if (this.path.length === 0) return `the payload ${this.what}`;
    const where = this.path.map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${printable(step)}`));
    return `field ${where.join('')} ${this.what}`;
  }
}

const MAX_DEPTH = 64;
type UnknownFields = ConformOptions['unknownFields'];

function fit(type: avsc.Type, value: unknown, unknownFields: UnknownFields, depth: number): Json | Misfit {
  if (depth > MAX_DEPTH) return new Misfit('is nested too deeply');
  const { types } = avsc;
  if (type instanceof types.RecordType) return fitRecord(type, value, unknownFields, depth);
  if (type instanceof types.ArrayType) return fitArray(type, value, unknownFields, depth);
  if (type instanceof types.MapType) return fitMap(type, value, unknownFields, depth);
  if (type instanceof types.UnwrappedUnionType || type instanceof types.WrappedUnionType)
    return fitUnion(type.types, value, unknownFields, depth);
  if (type instanceof types.EnumType) return fitEnum(type, value, unknownFields);
  if (type instanceof types.FixedType)
    return isByteText(value) && value.length === type.size ? value : new Misfit(`is not ${type.size} bytes`);
  return fitPrimitive(type.typeName, value);
}

function fitRecord(type: avsc.types.RecordType, value: unknown, unknownFields: UnknownFields, depth: number): Json | Misfit {
  if (!isObject(value)) return new Misfit('is not an object');
  const result: Record<string, Json> = {};
  const seen = new Set<string>();
  for (const field of type.fields) {
    const name = [field.name, ...field.aliases].find((candidate) => Object.hasOwn(value, candidate));
    if (name !== undefined) seen.add(name);
    const found = fitField(field, name === undefined ? undefined : value[name], unknownFields, depth);
    if (found instanceof Misfit) return found.at(field.name);
    setOwn(result, field.name, found);
  }
  const unknown = unknownFields === 'refuse' ? Object.keys(value).find((name) => !seen.has(name)) : undefined;
  return unknown === undefined ? result : new Misfit('is not in the schema').at(unknown);
}

/** A field that is missing has its default; so has one that is null and may not be. */
function fitField(field: avsc.types.Field, value: unknown, unknownFields: UnknownFields, depth: number): Json | Misfit {
  if (value !== undefined) {
    const found = fit(field.type, value, unknownFields, depth + 1);
    if (value !== null || !(found instanceof Misfit)) return found;
  }
  const missing = value === null ? 'must not be null' : 'is missing';
  const fallback: unknown = field.defaultValue();
  return fallback === undefined ? new Misfit(missing) : fit(field.type, plainDefault(field.type, fallback), unknownFields, depth + 1);
}

/** avsc gives defaults as it holds values: bytes as buffers, and some unions with their branch. Only the first branch has one. */
function plainDefault(type: avsc.Type, value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('latin1');
  if (type instanceof avsc.types.WrappedUnionType && isObject(value)) return plainDefault(type.types[0] ?? type, Object.values(value)[0]);
  return value;
}

function fitArray(type: avsc.types.ArrayType, value: unknown, unknownFields: UnknownFields, depth: number): Json | Misfit {
  if (!Array.isArray(value)) return new Misfit('is not an array');
  const result: Json[] = [];
  for (const [index, item] of (value as unknown[]).entries()) {
    const found = fit(type.itemsType, item, unknownFields, depth + 1);
    if (found instanceof Misfit) return found.at(index);
    result.push(found);
  }
  return result;
}

function fitMap(type: avsc.types.MapType, value: unknown, unknownFields: UnknownFields, depth: number): Json | Misfit {
  if (!isObject(value)) return new Misfit('is not an object');
  const result: Record<string, Json> = {};
  for (const [key, item] of Object.entries(value)) {
    const found = fit(type.valuesType as avsc.Type, item, unknownFields, depth + 1);
    if (found instanceof Misfit) return found.at(key);
    setOwn(result, key, found);
  }
  return result;
}

function fitUnion(branches: readonly avsc.Type[], value: unknown, unknownFields: UnknownFields, depth: number): Json | Misfit {
  let last: Misfit | undefined;
  for (const branch of branches) {
    const found = fit(branch, value, unknownFields, depth + 1);
    if (!(found instanceof Misfit)) return found;
    last = found;
  }
  const others = branches.filter((branch) => branch.typeName !== 'null');
  // Of "null or one thing" the thing says best what is wrong; of many, none does.
  if (last !== undefined && others.length === 1 && value !== null) return last;
  return new Misfit(`is none of ${branches.map((branch) => branch.typeName).join(', ')}`);
}

function fitEnum(type: avsc.types.EnumType, value: unknown, unknownFields: UnknownFields): Json | Misfit {
  if (typeof value === 'string' && type.symbols.includes(value)) return value;
  const { default: fallback } = type as { readonly default?: string };
  if (typeof value === 'string' && unknownFields === 'drop' && fallback !== undefined) return fallback;
  return new Misfit(`is not one of ${type.symbols.join(', ')}`);
}

function fitPrimitive(typeName: string, value: unknown): Json | Misfit {
  switch (typeName) {
    case 'null':
      return value === null ? null : new Misfit('is not null');
    case 'boolean':
      return typeof value === 'boolean' ? value : new Misfit('is not a boolean');
    case 'string':
      return typeof value === 'string' ? value : new Misfit('is not a string');
    case 'bytes':
      return isByteText(value) ? value : new Misfit('is not text with one character per byte');
    case 'int':
      return typeof value === 'number' && value === (value | 0) ? value : new Misfit('is not a 32-bit integer');
    case 'long':
      // Beyond it JSON has already rounded: 9007199254740993 is read as …992.
      return Number.isSafeInteger(value) ? (value as number) : new Misfit('is not an integer below 2^53');
    case 'float':
    case 'double':
      return typeof value === 'number' && Number.isFinite(value) ? value : new Misfit('is not a finite number');
    default:
      return new Misfit(`has the unsupported type ${typeName}`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isByteText(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  for (let index = 0; index < value.length; index += 1) if (value.charCodeAt(index) > 0xff) return false;
  return true;
}

/** Names may come from outside: keep them short and on one line. */
function printable(name: string): string {
  return name.slice(0, 64).replace(/[^\x20-\x7e]/g, '?');
}
