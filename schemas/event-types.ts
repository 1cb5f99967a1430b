import type { AvroField, AvroRecord, AvroType } from './avro-schema.ts';
import type { SchemaFile } from './schema-rules.ts';
import { versionsByEvent } from './schema-rules.ts';

/** The text of `generated/events.ts`: the same files give the same bytes. */
export function renderEventTypes(files: readonly SchemaFile[]): string {
  const events = [...versionsByEvent(files).entries()].sort(([a], [b]) => compare(a, b)).map(([, versions]) => versions);
  return [
    '// Made by `node --import tsx schemas/generate.ts` from the .avsc files beside it. Do not edit.',
    "import type { AvroRecord, EventSchemas } from '../avro-schema.ts';",
    ...events.map((versions) => payloadType(latest(versions))),
    mapping('export interface EventPayloads', events, (name) => `readonly ${name}: ${name};`),
    'export type EventType = keyof EventPayloads;',
    ...events.flatMap((versions) => versions.map(schemaConstant)),
    mapping('export const SCHEMAS: { readonly [T in EventType]: EventSchemas } =', events, (name, versions) => {
      const names = versions.map((file) => constantName(file));
      return `${name}: { latest: ${names.at(-1) ?? ''}, versions: [${names.join(', ')}] },`;
    }),
  ]
    .join('\n\n')
    .concat('\n');
}

function latest(versions: readonly SchemaFile[]): AvroRecord {
  const last = versions.at(-1);
  if (last === undefined) throw new RangeError('an event without a version');
  return last.schema;
}

function mapping(
  head: string,
  events: readonly (readonly SchemaFile[])[],
  line: (name: string, versions: readonly SchemaFile[]) => string,
): string {
  return `${head} {\n${events.map((versions) => `  ${line(latest(versions).name, versions)}`).join('\n')}\n}`;
}

function schemaConstant(file: SchemaFile): string {
  return `const ${constantName(file)}: AvroRecord = ${JSON.stringify(file.schema, null, 2)};`;
}

function constantName(file: SchemaFile): string {
  return `${file.schema.name}V${file.version}`;
}

function payloadType(schema: AvroRecord): string {
  const fields = schema.fields.map((field) => `${comment(field.doc, '  ')}  readonly ${fieldName(field)}: ${typeText(field.type)};`);
  return `${comment(schema.doc, '')}export type ${schema.name} = {\n${fields.join('\n')}\n};`;
}

/** A field with a default may be left out when the event is written; a reader of an older version may miss it. */
function fieldName(field: AvroField): string {
  return field.default === undefined ? field.name : `${field.name}?`;
}

function comment(doc: string | undefined, indent: string): string {
  return doc === undefined ? '' : `${indent}/** ${doc.replaceAll('*/', '* /')} */\n`;
}

/** @throws RangeError for Avro that has no plain JSON form (bytes), or loses digits in it (long). */
function typeText(type: AvroType): string {
  if (typeof type === 'string') return primitiveText(type);
  if (!('type' in type)) return type.map(typeText).sort(nullLast).join(' | ');
  switch (type.type) {
    case 'enum':
      return type.symbols.map((symbol) => `'${symbol}'`).join(' | ');
    case 'array':
      return `ReadonlyArray<${typeText(type.items)}>`;
    case 'map':
      return `{ readonly [key: string]: ${typeText(type.values)} }`;
    case 'record':
      return `{ ${type.fields.map((field) => `readonly ${fieldName(field)}: ${typeText(field.type)}`).join('; ')} }`;
  }
}

function primitiveText(type: string): string {
  switch (type) {
    case 'null':
    case 'boolean':
    case 'string':
      return type;
    case 'int':
    case 'float':
    case 'double':
      return 'number';
    default:
      throw new RangeError(`${type} has no exact plain JSON form; write it as a string`);
  }
}

function nullLast(a: string, b: string): number {
  return Number(a === 'null') - Number(b === 'null');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
