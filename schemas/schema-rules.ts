import avsc from 'avsc';
import type { AvroField, AvroRecord, AvroType } from './avro-schema.ts';

/** A `.avsc` file as it was found: `schemas/<domain>/<event>.v<version>.avsc`. */
export interface SchemaFile {
  /** Relative to `schemas/`. */
  readonly path: string;
  readonly domain: string;
  readonly event: string;
  readonly version: number;
  readonly schema: AvroRecord;
}

/** Every broken rule as a sentence; empty when the schemas may be published. */
export function schemaFaults(files: readonly SchemaFile[]): string[] {
  const faults = files.flatMap((file) => [...namingFaults(file), ...fieldFaults(file)]);
  for (const versions of versionsByEvent(files).values()) faults.push(...historyFaults(versions));
  return faults;
}

/** Grouped by domain and event, each group in ascending order of version. */
export function versionsByEvent(files: readonly SchemaFile[]): Map<string, SchemaFile[]> {
  const groups = new Map<string, SchemaFile[]>();
  for (const file of [...files].sort((a, b) => a.version - b.version)) {
    const name = `${file.domain}/${file.event}`;
    groups.set(name, [...(groups.get(name) ?? []), file]);
  }
  return groups;
}

function namingFaults({ path, domain, event, schema }: SchemaFile): string[] {
  const faults: string[] = [];
  const kebab = schema.name.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
  if (kebab !== event) faults.push(`${path}: the record ${schema.name} belongs into ${kebab}.v<version>.avsc`);
  if (schema.namespace !== `eco2.${domain}`) faults.push(`${path}: the namespace must be eco2.${domain}`);
  if (schema.doc === undefined) faults.push(`${path}: the record has no doc`);
  return faults;
}

function fieldFaults({ path, schema }: SchemaFile): string[] {
  const faults: string[] = [];
  for (const field of schema.fields) {
    if (field.doc === undefined) faults.push(`${path}: field ${field.name} has no doc`);
    if (isUnion(field.type) && (field.type[0] !== 'null' || field.type.length !== 2 || field.default !== null)) {
      faults.push(`${path}: field ${field.name}: a union is null and one other type, with null as its default`);
    }
  }
  return faults;
}

function historyFaults(versions: readonly SchemaFile[]): string[] {
  const faults: string[] = [];
  versions.forEach((file, index) => {
    if (file.version !== index + 1) faults.push(`${file.path}: version ${index + 1} is missing`);
    const before = versions[index - 1];
    if (before !== undefined) faults.push(...compatibilityFaults(before, file));
  });
  return faults;
}

/** BACKWARD, and stricter in one point: a field is deprecated, never removed. */
function compatibilityFaults(before: SchemaFile, after: SchemaFile): string[] {
  const kept = new Set(after.schema.fields.map((field: AvroField) => field.name));
  const faults = before.schema.fields
    .filter((field) => !kept.has(field.name))
    .map((field) => `${after.path}: field ${field.name} was removed; deprecate it instead`);
  try {
    avroType(after.schema).createResolver(avroType(before.schema));
  } catch (error) {
    faults.push(`${after.path}: cannot read version ${before.version}: ${error instanceof Error ? error.message : 'not compatible'}`);
  }
  return faults;
}

function avroType(schema: AvroRecord): avsc.Type {
  return avsc.Type.forSchema(schema as unknown as avsc.Schema);
}

function isUnion(type: AvroType): type is readonly AvroType[] {
  return Array.isArray(type);
}
