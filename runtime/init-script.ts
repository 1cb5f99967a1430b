import type { RolePlan, RoleStatement } from './postgres/role-plan.ts';

/** The plan of one domain as a script for `psql`, with what a person has to add. */
export function psqlScript(plan: RolePlan): string {
  return [
    `-- Roles and rights of the domain ${plan.domain}. By an administrator: psql -v ON_ERROR_STOP=1 -f <this file>.`,
    '-- Before the first `millrace apply`. Changes nothing that is as it should be.',
    ...plan.server.map(asPsql),
    '',
    '-- Passwords: choose them; psql asks without showing them and sends only their hash.',
    ...rolesOf(plan).map((role) => `--   \\password ${role}`),
    '',
    `\\connect ${JSON.stringify(plan.database)}`,
    ...plan.inDatabase.map(asPsql),
    '',
    '-- pg_hba.conf (put the addresses of the processes for <address>):',
    ...accessRules(plan).map((rule) => `--   ${rule}`),
    '-- No line for the keyword `replication`: the log is read through the line of the database.',
    '',
    '-- Settings of the processes:',
    ...Object.entries(settingsOf(plan)).map(([who, url]) => `--   ${who}: ${url}`),
    ...(plan.roles.capture === undefined
      ? []
      : [
          '-- Optional: lets `millrace slot wal` name the session that keeps the log. The role can then read the texts of queries.',
          `--   GRANT pg_read_all_stats TO "${plan.roles.capture}";`,
        ]),
    '',
  ].join('\n');
}

export function accessRules({ database, roles }: RolePlan): readonly string[] {
  const all = [roles.owner, roles.app, ...(roles.capture === undefined ? [] : [roles.capture])];
  return [`hostssl  ${database}  ${all.join(',')}  <address>  scram-sha-256`];
}

/** Who is configured with which role. */
export function settingsOf({ domain, database, roles }: RolePlan): Readonly<Record<string, string>> {
  const name = domain.toUpperCase();
  const url = (role: string): string => `postgres://${role}:<password>@<host>:5432/${database}`;
  return {
    [`POSTGRES_URL_${name} of apply and of the relay's process`]: url(roles.owner),
    [`POSTGRES_URL_${name} of API, processors and projectors`]: url(roles.app),
    ...(roles.capture === undefined ? {} : { [`CAPTURE_URL_${name} of apply and of the relay's process`]: url(roles.capture) }),
  };
}

function rolesOf({ roles }: RolePlan): readonly string[] {
  return [roles.owner, roles.app, ...(roles.capture === undefined ? [] : [roles.capture])];
}

/** `\gexec` runs what a query answers: the way to make conditional what SQL cannot. */
function asPsql({ sql, unless }: RoleStatement): string {
  if (unless === undefined) return `${sql};`;
  return `SELECT '${sql.replaceAll("'", "''")}' WHERE NOT EXISTS (${unless}) \\gexec`;
}
