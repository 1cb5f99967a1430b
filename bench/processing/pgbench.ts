import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../../stack/run-tool.ts';
import { PARTS_OF_STATEMENTS, stepScript, type StepScript } from './step-sql.ts';

export type PartName = (typeof PARTS_OF_STATEMENTS)[number][0];

export interface PgbenchRun {
  readonly transactionsPerSecond: number;
  /** Microseconds that each part took on average, the way to the server and back included; of `five` only. */
  readonly partMicros: ReadonlyMap<PartName, number>;
}

export interface PgbenchOrder {
  readonly databaseUrl: string;
  readonly script: StepScript;
  readonly clients: number;
  readonly users: number;
  readonly seconds: number;
  /** For the script. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** PostgreSQL's own load generator, with prepared statements as the product's. */
export async function pgbench({ databaseUrl, script, clients, users, seconds, folder, signal }: PgbenchOrder): Promise<PgbenchRun> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${script}.sql`);
  await writeFile(file, stepScript(script, users, clients));
  const url = new URL(databaseUrl);
  const said = await runTool({
    command: 'pgbench',
    args: [
      ...['--no-vacuum', '--protocol=prepared', '--report-per-command', `--file=${file}`],
      ...[`--client=${clients}`, `--jobs=${Math.min(clients, 2)}`, `--time=${seconds}`],
      ...[`--host=${url.hostname}`, `--port=${url.port}`, `--username=${decodeURIComponent(url.username)}`, url.pathname.slice(1)],
    ],
    env: { ...process.env, PGPASSWORD: decodeURIComponent(url.password) },
    signal,
    purpose: 'pgbench',
    remedy: 'Put pgbench on PATH (Debian: postgresql, Homebrew: libpq), or leave it out with --side.',
  });
  return pgbenchRun(said);
}

/** @throws Error when it is not what pgbench prints, or when it says that transactions failed. */
export function pgbenchRun(said: string): PgbenchRun {
  const rate = /^tps = ([\d.]+)/m.exec(said)?.[1];
  const failed = /^number of failed transactions: (\d+)/m.exec(said)?.[1] ?? '0';
  if (rate === undefined || failed !== '0') throw new Error(`pgbench has said: ${said.slice(-500)}`);
  const partMicros = new Map<PartName, number>();
  // `         0.123           0  COMMIT;`; the column of failures is there since version 15.
  for (const [, ms, statement] of said.matchAll(/^\s+([\d.]+)(?:\s+\d+)?\s{2}(\S.*)$/gm)) {
    const part = PARTS_OF_STATEMENTS.find(([, begins]) => statement?.startsWith(begins));
    if (part !== undefined) partMicros.set(part[0], Number(ms) * 1_000);
  }
  return { transactionsPerSecond: Number(rate), partMicros };
}
