import type { Config } from './config.ts';

/** The platform's own database, beside those of the domains. */
export const PLATFORM = 'millrace';

/** Where a domain's database is: on the common server under the domain's name, or where its own URL says. */
export function databaseUrl(config: Pick<Config, 'postgres' | 'names'>, domain: string): string {
  const own = config.postgres.domainUrls[domain];
  const url = new URL(own ?? config.postgres.url);
  if (own === undefined || url.pathname === '' || url.pathname === '/') url.pathname = `/${config.names.database(domain)}`;
  return url.toString();
}
