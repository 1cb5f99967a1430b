import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import type { DomainDefinition } from '../core/define.ts';
import { Names } from '../core/names.ts';
import { pipelineIn } from '../pipeline.ts';
import { namespaceOf } from '../runtime/config.ts';
import { PLATFORM } from '../runtime/database-url.ts';
import { accessRules, psqlScript, settingsOf } from '../runtime/init-script.ts';
import { applyRoles } from '../runtime/postgres/apply-roles.ts';
import type { RolePlan } from '../runtime/postgres/role-plan.ts';
import { planRoles } from '../runtime/postgres/role-plan.ts';
import { createLogger } from '../runtime/telemetry/log.ts';
import { dataFolderOption } from './common-options.ts';
import { UsageError } from './exit.ts';
import { localEnvironment } from './local-environment.ts';
import { localFolder } from './local-folder.ts';

interface Options {
  readonly domain?: readonly string[];
  readonly rolePrefix: string;
  readonly namespace?: string;
  readonly json?: true;
  readonly sql?: string;
  readonly apply?: true;
  readonly adminUrl?: string;
  readonly dataFolder: string;
}

export function initCommand(): Command {
  return new Command('init')
    .description('print the SQL that makes databases and roles with the least rights; runs nothing without --apply')
    .option('--domain <domain...>', `only these; without it, every domain and ${PLATFORM}`)
    .option('--role-prefix <prefix>', 'roles are <prefix>_<domain>_owner, _app and _capture', 'millrace')
    .option('--namespace <namespace>', 'prefix of the databases; by default that of MILLRACE_NAMESPACE')
    .option('--json', 'print one JSON object instead of scripts for psql')
    .option('--sql <folder>', 'write one script per domain into a folder')
    .option('--apply', 'run it on a server; needs --admin-url')
    .addOption(dataFolderOption())
    .option('--admin-url <url>', 'an administrator of the server (superuser, or CREATEROLE, CREATEDB and REPLICATION)')
    .addHelpText(
      'after',
      `
Three roles per domain: the owner (apply, and the upkeep in the relay's process), app (API, processors, projectors: inserts into
the outbox and changes nothing in it), capture (the relay: reads the write-ahead log and the outbox). No passwords are made or
asked for: psql's \\password sets them. The password in --admin-url may be left to PGPASSWORD or ~/.pgpass.
Run it before the first apply. Later applies grant the rights on new tables themselves, or say when they cannot.

Examples:
  millrace init --domain image
  millrace init --sql ./sql
  millrace init --apply --admin-url postgres://postgres@db:5432
  millrace init --json | jq '.domains[].roles'`,
    )
    .action(async (options: Options) => {
      if (options.sql !== undefined && (options.apply === true || options.json === true))
        throw new UsageError('--sql writes scripts, and goes with neither --apply nor --json');
      const plans = plansOf(options);
      if (options.apply === true) await apply(plans, options);
      else if (options.sql !== undefined) writeScripts(plans, options.sql);
      else if (options.json === true) console.log(JSON.stringify({ domains: plans.map(asJson) }, null, 2));
      else console.log(plans.map(psqlScript).join('\n'));
    });
}

function plansOf({ domain: wanted, rolePrefix, namespace, dataFolder }: Options): readonly RolePlan[] {
  try {
    const names = new Names(namespace ?? namespaceOf(localEnvironment(localFolder(dataFolder))));
    const all: readonly Pick<DomainDefinition, 'name' | 'captured' | 'tables'>[] = [
      ...pipelineIn('UTC').domains,
      { name: PLATFORM, captured: false },
    ];
    const unknown = (wanted ?? []).filter((name) => !all.some((domain) => domain.name === name));
    if (unknown.length > 0)
      throw new RangeError(`no such domain: ${unknown.join(', ')}; there are ${all.map(({ name }) => name).join(', ')}`);
    return all
      .filter(({ name }) => wanted === undefined || wanted.includes(name))
      .map(({ name, captured, tables = [] }) =>
        planRoles({
          domain: name,
          database: names.database(name),
          publication: captured ? names.publication(name) : undefined,
          tables: tables.map(({ table }) => table),
          rolePrefix,
        }),
      );
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}

async function apply(plans: readonly RolePlan[], { adminUrl, json }: Options): Promise<void> {
  if (adminUrl === undefined || !URL.canParse(adminUrl) || !/^postgres(ql)?:$/.test(new URL(adminUrl).protocol)) {
    throw new UsageError('--apply needs --admin-url, a URL that starts with postgres://');
  }
  const logger = createLogger({ service: 'millrace-init', environment: 'local', level: 'error', format: 'flat' });
  const made = await applyRoles(adminUrl, plans, logger);
  if (json === true) {
    console.log(JSON.stringify({ made, domains: plans.map(asJson) }, null, 2));
    return;
  }
  for (const each of made) console.log(`  created ${each}`);
  console.log(`rights are set for ${plans.map(({ domain }) => domain).join(', ')}`);
  if (made.some((each) => each.startsWith('role ')))
    console.log('new roles cannot log in yet: give each a password with psql, \\password <role>');
}

function writeScripts(plans: readonly RolePlan[], folder: string): void {
  const path = resolve(folder);
  mkdirSync(path, { recursive: true });
  for (const plan of plans) {
    const file = join(path, `${plan.domain}.sql`);
    writeFileSync(file, psqlScript(plan));
    console.log(file);
  }
}

function asJson(plan: RolePlan): object {
  return { ...plan, accessRules: accessRules(plan), settings: settingsOf(plan) };
}
