import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClassifiedError } from '../../core/errors.ts';

export interface MigrationFile {
  /** `<folder>/<file>`: what the ledger of applied files remembers. */
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the text with Unix line ends, so that a checkout on another system is no change. */
  readonly checksum: string;
}

const SHIPPED = fileURLToPath(new URL('./migrations/', import.meta.url));

/** The folders that every database of a kind has, in the order in which they are applied, before the domain's own. */
const COMMON = { domain: ['inbox', 'parking', 'event-store', 'capture'], platform: ['parking'] } as const;

export type DatabaseKind = keyof typeof COMMON;

/**
 * The numbered SQL files of a domain's database. The state tables come from `stateFolder`, by default the shipped one of the
 * domain's name; a domain without either has none.
 */
export async function migrationFiles(kind: DatabaseKind, domain: string, stateFolder?: string): Promise<readonly MigrationFile[]> {
  const files: MigrationFile[] = [];
  for (const folder of COMMON[kind]) files.push(...(await readFolder(folder, join(SHIPPED, folder))));
  files.push(...(await readFolder(domain, stateFolder ?? join(SHIPPED, domain), stateFolder === undefined)));
  return files;
}

/** @throws ClassifiedError CONFIGURATION_INVALID when an applied file has changed or is gone: its database no longer follows from the files. */
export function pendingMigrations(files: readonly MigrationFile[], applied: ReadonlyMap<string, string>): readonly MigrationFile[] {
  const faults: string[] = [];
  const names = new Set(files.map((file) => file.name));
  for (const name of applied.keys()) if (!names.has(name)) faults.push(`${name} was applied and is no longer there`);
  for (const file of files) {
    const checksum = applied.get(file.name);
    if (checksum !== undefined && checksum !== file.checksum) faults.push(`${file.name} was changed after it had been applied`);
  }
  if (faults.length > 0) {
    throw new ClassifiedError('CONFIGURATION_INVALID', `migrations: ${faults.join('; ')}. Put the files back and write a new one`);
  }
  return files.filter((file) => !applied.has(file.name));
}

async function readFolder(folder: string, path: string, mayBeMissing = false): Promise<readonly MigrationFile[]> {
  const entries = await readdir(path).catch((error: unknown) => {
    if (mayBeMissing && (error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new ClassifiedError('CONFIGURATION_INVALID', `the migrations folder of ${folder} cannot be read`, { cause: error });
  });
  const names = entries.filter((name) => name.endsWith('.sql')).sort();
  return Promise.all(
    names.map(async (name) => {
      if (!/^\d{4}_[a-z0-9_]+\.sql$/.test(name)) {
        throw new ClassifiedError('CONFIGURATION_INVALID', `migration ${folder}/${name}: names look like 0001_what_it_makes.sql`);
      }
      const sql = (await readFile(join(path, name), 'utf8')).replaceAll('\r\n', '\n');
      return { name: `${folder}/${name}`, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}
