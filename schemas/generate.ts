import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AvroRecord } from './avro-schema.ts';
import { renderEventTypes } from './event-types.ts';
import type { SchemaFile } from './schema-rules.ts';
import { schemaFaults } from './schema-rules.ts';

/**
 * `node --import tsx schemas/generate.ts` writes `generated/events.ts` from the `.avsc` files; with `--check` it writes
 * nothing and ends with 1 when a rule is broken or the file is not what it would write.
 */
const here = import.meta.dirname;
const target = join(here, 'generated', 'events.ts');

process.exitCode = await main(process.argv.includes('--check'));

async function main(check: boolean): Promise<number> {
  const files = await readSchemas();
  const faults = schemaFaults(files);
  if (faults.length > 0) return fail(faults.join('\n'));
  const wanted = renderEventTypes(files);
  if (check) {
    const difference = firstDifference(await present(), wanted);
    return difference === undefined ? 0 : fail(`${difference}\nRun: node --import tsx schemas/generate.ts`);
  }
  await mkdir(join(here, 'generated'), { recursive: true });
  await writeFile(target, wanted);
  return 0;
}

async function readSchemas(): Promise<SchemaFile[]> {
  const found: SchemaFile[] = [];
  for (const entry of await readdir(here, { recursive: true })) {
    if (!entry.endsWith('.avsc')) continue;
    const match = /^([a-z]+)[/\\]([a-z0-9-]+)\.v([1-9]\d*)\.avsc$/.exec(entry);
    if (match?.[1] === undefined || match[2] === undefined) throw new RangeError(`${entry}: not <domain>/<event>.v<version>.avsc`);
    const schema = JSON.parse(await readFile(join(here, entry), 'utf8')) as AvroRecord;
    found.push({ path: entry, domain: match[1], event: match[2], version: Number(match[3]), schema });
  }
  return found;
}

async function present(): Promise<string> {
  try {
    return await readFile(target, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

function firstDifference(is: string, wanted: string): string | undefined {
  if (is === wanted) return undefined;
  const isLines = is.split('\n');
  const wantedLines = wanted.split('\n');
  const line = wantedLines.findIndex((text, index) => text !== isLines[index]);
  const at = line < 0 ? wantedLines.length : line;
  return `generated/events.ts is stale, first at line ${at + 1}:\n- ${isLines[at] ?? '(end)'}\n+ ${wantedLines[at] ?? '(end)'}`;
}

function fail(message: string): number {
  process.stderr.write(`${message}\n`);
  return 1;
}
