import pg from 'pg';
import { services, uniqueNamespace } from './services.ts';

/** Databases of one test file, named `<namespace>_<domain>`, and dropped with everything that hangs on them. */
export interface TemporaryDatabases {
  readonly namespace: string;
  /** A URL of a database that need not exist yet. */
  url(domain: string): string;
  /** Runs SQL as a superuser in the server's own database. */
  admin(sql: string): Promise<void>;
  dropAll(): Promise<void>;
}

/** @param serverUrl a server of the test's own; left out: the one that all tests share. */
export function temporaryDatabases(label: string, serverUrl = services().postgresUrl): TemporaryDatabases {
  const namespace = uniqueNamespace(label);
  const base = serverUrl.replace(/\/$/, '');
  const admin = async <T>(use: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client({ connectionString: `${base}/postgres` });
    await client.connect();
    try {
      return await use(client);
    } finally {
      await client.end();
    }
  };
  return {
    namespace,
    url: (domain) => `${base}/${namespace}_${domain}`,
    admin: (sql) =>
      admin(async (client) => {
        await client.query(sql);
      }),
    dropAll: () =>
      admin(async (client) => {
        const pattern = `${namespace.replaceAll('_', String.raw`\_`)}\\_%`;
        await client.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database LIKE $1 AND NOT active', [
          pattern,
        ]);
        const { rows } = await client.query<{ datname: string }>('SELECT datname FROM pg_database WHERE datname LIKE $1', [pattern]);
        for (const { datname } of rows) await client.query(`DROP DATABASE IF EXISTS "${datname}" WITH (FORCE)`);
      }),
  };
}
