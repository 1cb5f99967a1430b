import type { Config } from './config.ts';

/** The platform's own database, beside those of the domains. */
export const PLATFORM = 'millrace';

/** Where a domain's database is: on the common server under the domain's name, or where its own URL says. */
export function databaseUrl(config: Pick<Config, 'postgres' | 'names'>, domain: string): string {
  const own = config.postgres.domainUrls[domain];
  return withDatabase(own ?? config.postgres.url, config.names.database(domain), own !== undefined);
}

/** How the relay reaches the write-ahead log of a domain's database: by a role of its own, or as everybody else. */
export function captureUrl(config: Pick<Config, 'postgres' | 'capture' | 'names'>, domain: string): string {
  const own = config.capture.domainUrls[domain];
  const given = own ?? config.capture.url;
  if (given === undefined) return databaseUrl(config, domain);
  // A domain may have a server, or a database's name, of its own; a common capture URL then says the role alone.
  const { pathname } = new URL(databaseUrl(config, domain));
  return withDatabase(given, decodeURIComponent(pathname.slice(1)), own !== undefined);
}

function withDatabase(given: string, database: string, mayNameItsOwn: boolean): string {
  const url = new URL(given);
  if (!mayNameItsOwn || url.pathname === '' || url.pathname === '/') url.pathname = `/${database}`;
  return url.toString();
}
