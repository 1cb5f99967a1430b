import avsc from 'avsc';
import type { PayloadValidator } from '../core/codec.ts';
import type { EventDefinition } from '../core/define.ts';
import { ClassifiedError } from '../core/errors.ts';
import type { EventSchemas } from './avro-schema.ts';
import { CATALOGUE } from './catalogue.ts';
import { SCHEMAS } from './generated/events.ts';

/** The outbox keeps the record key in `varchar(64)`. */
const MAX_KEY_LENGTH = 64;
const MAX_NAME_IN_MESSAGE = 64;
const MAX_DEPTH = 32;
/** PostgreSQL's jsonb refuses both, and UTF-8 cannot write the second. */
const UNSTORABLE_TEXT = /[\0\p{Surrogate}]/u;

/**
 * Checks plain JSON payloads: a union is written without its branch, a field with a default may be left out, a field that
 * the schema does not know is refused. Beyond the schema it refuses what would be lost or refused later: numbers that
 * are not finite, text that cannot be stored, and a record key that is empty or too long.
 */
export function createPayloadValidator(
  events: ReadonlyMap<string, EventDefinition> = CATALOGUE,
  schemas: Readonly<Record<string, EventSchemas>> = SCHEMAS,
): PayloadValidator {
  const checks = new Map<string, { readonly type: avsc.Type; readonly keyField: string }>();
  for (const [name, event] of events) {
    const schema = schemas[name];
    if (schema === undefined) throw new ClassifiedError('CONFIGURATION_INVALID', `event ${name} has no schema`);
    const type = avsc.Type.forSchema(schema.latest as unknown as avsc.Schema);
    checks.set(name, { type, keyField: event.keyField });
  }
  return {
    validate(name, payload) {
      const check = checks.get(name);
      if (check === undefined) throw new ClassifiedError('EVENT_UNKNOWN', `event ${printable(name)} has no schema`);
      const fault =
        schemaFault(check.type, payload) ??
        (isStorable(payload, 0) ? undefined : valueFault(payload, '', 0)) ??
        keyFault(payload, check.keyField);
      if (fault !== undefined) throw new ClassifiedError('PAYLOAD_INVALID', `${name}: ${fault}`);
    },
  };
}

function schemaFault(type: avsc.Type, payload: unknown): string | undefined {
  if (!isPlainObject(payload)) return 'the payload is not an object';
  if (type.isValid(payload, { noUndeclaredFields: true })) return undefined;
  let fault: string | undefined;
  type.isValid(payload, {
    noUndeclaredFields: true,
    errorHook: (path, value, expected) => {
      fault ??= describe(path, value, expected);
    },
  });
  return fault ?? 'the payload does not fit its schema';
}

function describe(path: readonly string[], value: unknown, expected: avsc.Type): string {
  const where = path.join('.');
  const known = recordFields(expected);
  if (known !== undefined && isPlainObject(value)) {
    const unknown = Object.keys(value).find((name) => !known.has(name));
    if (unknown !== undefined) return `${joined(where, printable(unknown))} is not a field of the event`;
  }
  if (value === undefined) return `${where} is missing`;
  return `${where} is not ${expectation(expected)}`;
}

function recordFields(type: avsc.Type): ReadonlySet<string> | undefined {
  const schema: unknown = type.schema();
  if (!isPlainObject(schema) || schema['type'] !== 'record' || !Array.isArray(schema['fields'])) return undefined;
  return new Set((schema['fields'] as { readonly name: string }[]).map((field) => field.name));
}

function expectation(type: avsc.Type): string {
  const schema: unknown = type.schema();
  if (Array.isArray(schema)) return schema.map((branch) => (typeof branch === 'string' ? branch : 'object')).join(' or ');
  if (isPlainObject(schema) && Array.isArray(schema['symbols'])) return `one of ${schema['symbols'].join(', ')}`;
  return type.typeName;
}

/** Whether `valueFault` has nothing to say: nearly always, and then no path is to be put together. */
function isStorable(value: unknown, depth: number): boolean {
  if (depth > MAX_DEPTH) return false;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value === 'string') return !UNSTORABLE_TEXT.test(value);
  if (typeof value !== 'object' || value === null) return true;
  const own = value as Readonly<Record<string, unknown>>;
  return Object.keys(own).every((name) => !UNSTORABLE_TEXT.test(name) && isStorable(own[name], depth + 1));
}

function valueFault(value: unknown, path: string, depth: number): string | undefined {
  if (depth > MAX_DEPTH) return `${path} is nested too deeply`;
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${path} is not a finite number`;
  if (typeof value === 'string') return UNSTORABLE_TEXT.test(value) ? `${path} holds text that cannot be stored` : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, inner] of Object.entries(value)) {
    if (UNSTORABLE_TEXT.test(name)) return `${path} holds a name that cannot be stored`;
    const fault = valueFault(inner, joined(path, printable(name)), depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function keyFault(payload: unknown, keyField: string): string | undefined {
  const key = isPlainObject(payload) ? payload[keyField] : undefined;
  if (typeof key !== 'string' || key === '') return `${keyField} is the record key and must not be empty`;
  return key.length > MAX_KEY_LENGTH ? `${keyField} is the record key and longer than ${MAX_KEY_LENGTH} characters` : undefined;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function joined(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** Names may come from outside: keep them short and on one line. */
function printable(name: string): string {
  return name.slice(0, MAX_NAME_IN_MESSAGE).replace(/[^\x20-\x7e]/g, '?');
}
