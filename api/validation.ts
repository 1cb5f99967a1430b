import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { FieldFault } from './problem.ts';

/** Input that does not fit its schema: which fields, and what they must be. */
export class InvalidInput extends Error {
  readonly faults: readonly FieldFault[];

  constructor(faults: readonly FieldFault[]) {
    super('the input does not fit its schema');
    this.name = 'InvalidInput';
    this.faults = faults;
  }
}

/**
 * Checks each part of a request as it was sent. A body is never converted and an unknown field is a fault, not something
 * to drop in silence: a client that misspells a field must hear of it. A query string is text by nature, so whole
 * numbers are read there, and only there.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const compiled = Compile(schema);
  const whole = httpPart === undefined ? 'request' : (WHOLE_PART[httpPart] ?? httpPart);
  return (input: unknown) => {
    const value = httpPart === 'querystring' ? readQuery(schema, input) : input;
    if (compiled.Check(value)) return { value };
    return { error: new InvalidInput(faultsOf(compiled.Errors(value), whole)) };
  };
};

/** What a fault of the part as a whole is called. */
const WHOLE_PART: Readonly<Record<string, string>> = { body: 'body', querystring: 'query', params: 'path', headers: 'headers' };
const WHOLE_NUMBER = /^-?\d{1,15}$/;

function readQuery(schema: TSchema, input: unknown): unknown {
  if (typeof input !== 'object' || input === null) return input;
  const properties = (schema as { readonly properties?: Readonly<Record<string, { readonly type?: string }>> }).properties ?? {};
  const isNumber = (name: string): boolean => Object.hasOwn(properties, name) && properties[name]?.type === 'integer';
  const read = (name: string, text: unknown): unknown =>
    isNumber(name) && typeof text === 'string' && WHOLE_NUMBER.test(text) ? Number(text) : text;
  return Object.fromEntries(Object.entries(input).map(([name, text]) => [name, read(name, text)]));
}

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: object;
}

function faultsOf(errors: readonly SchemaError[], whole: string): FieldFault[] {
  const faults = new Map<string, FieldFault>();
  for (const error of errors) {
    for (const fault of faultsOfError(error, whole)) {
      if (!faults.has(fault.field)) faults.set(fault.field, fault);
    }
  }
  return [...faults.values()];
}

function faultsOfError(error: SchemaError, whole: string): FieldFault[] {
  const params = error.params as Readonly<Record<string, unknown>>;
  const path = fieldOf(error.instancePath);
  const inside = (name: unknown): string => shortened(path === '' ? String(name) : `${path}.${String(name)}`);
  const here = shortened(path === '' ? whole : path);
  const names = (list: unknown): unknown[] => (Array.isArray(list) ? list : []);
  switch (error.keyword) {
    case 'required':
      return names(params['requiredProperties']).map((name) => ({ field: inside(name), message: 'is required' }));
    case 'additionalProperties':
      return names(params['additionalProperties']).map((name) => ({ field: inside(name), message: 'is not a known field' }));
    case 'boolean':
      return [{ field: here, message: 'is not a known field' }];
    default:
      return [{ field: here, message: demand(error.keyword, params) }];
  }
}

/** What the schema demands, in words made of the schema alone. */
function demand(keyword: string, params: Readonly<Record<string, unknown>>): string {
  const of = (name: string): string => {
    const value = params[name];
    return value === undefined ? '' : JSON.stringify(value).replaceAll('"', '');
  };
  switch (keyword) {
    case 'type':
      return `must be of type ${of('type')}`;
    case 'enum':
      return `must be one of ${of('allowedValues').slice(1, -1).replaceAll(',', ', ')}`;
    case 'const':
      return `must be ${of('allowedValue')}`;
    case 'format':
      return `must be a valid ${of('format')}`;
    case 'pattern':
      return `must match ${of('pattern')}`;
    case 'minLength':
      return `must have at least ${of('limit')} characters`;
    case 'maxLength':
      return `must have at most ${of('limit')} characters`;
    case 'minimum':
    case 'maximum':
      return `must be ${of('comparison')} ${of('limit')}`;
    default:
      return 'is not valid';
  }
}

/** `/a/b~1c` is `a.b/c`. */
function fieldOf(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .join('.');
}

/** A field's name is the caller's text where the field is unknown: enough of it to be recognised. */
function shortened(field: string): string {
  return field.length <= 64 ? field : `${field.slice(0, 63)}…`;
}
