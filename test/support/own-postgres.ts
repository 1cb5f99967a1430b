import { readFile, writeFile } from 'node:fs/promises';
import pg from 'pg';
import { stackUp } from '../../stack/stack.ts';
import { removeTestStack, testDataFolder } from '../../stack/test-stack.ts';
import { TEST_CERTIFICATE, TEST_KEY } from './tls-for-tests.ts';

/** A PostgreSQL of one test file, for what would disturb the others: limits of the log, access rules. */
export interface OwnPostgres {
  /** A superuser's URL without a database. */
  readonly url: string;
  /** Sets server settings that a reload takes up. */
  configure(settings: Readonly<Record<string, string>>): Promise<void>;
  /** From now on it also speaks TLS, with a certificate that nobody vouches for. */
  speakTls(): Promise<void>;
  /** Replaces pg_hba.conf. */
  allow(rules: string): Promise<void>;
  /** Runs SQL as the superuser. */
  admin<R extends object>(sql: string, database?: string): Promise<R[]>;
  stop(): Promise<void>;
}

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const dataFolder = await testDataFolder();
  const stop = () => removeTestStack(dataFolder);
  try {
    const { postgresUrl } = await stackUp({ dataFolder, parts: ['postgres'], flavour: 'native', given: {} });
    const url = postgresUrl.replace(/\/$/, '');
    const admin = async <R extends object>(sql: string, database = 'postgres'): Promise<R[]> => {
      const client = new pg.Client({ connectionString: `${url}/${database}` });
      await client.connect();
      try {
        const result = await client.query<R>(sql);
        return result.rows;
      } finally {
        await client.end();
      }
    };
    return {
      url,
      admin,
      configure: async (settings) => {
        for (const [name, value] of Object.entries(settings)) await admin(`ALTER SYSTEM SET ${name} = '${value}'`);
        await admin('SELECT pg_reload_conf()');
      },
      speakTls: async () => {
        // The server writes the files itself: they are its own then, and the key is for its eyes only.
        for (const [file, text] of Object.entries({ 'server.crt': TEST_CERTIFICATE, 'server.key': TEST_KEY })) {
          const lines = `SELECT unnest(string_to_array('${text.trim()}', E'\\n'))`;
          await admin(`COPY (${lines}) TO PROGRAM 'umask 077 && cat > ${file}'`);
        }
        await admin(`ALTER SYSTEM SET ssl = 'on'`);
        await admin('SELECT pg_reload_conf()');
      },
      allow: async (rules) => {
        const [row] = await admin<{ hba_file: string }>('SHOW hba_file');
        const file = row!.hba_file;
        const before = await readFile(file, 'utf8');
        await writeFile(file, rules); // the file keeps its owner
        await admin('SELECT pg_reload_conf()');
        const [faults] = await admin<{ count: number }>('SELECT count(*)::int FROM pg_hba_file_rules WHERE error IS NOT NULL');
        if (faults?.count !== 0) {
          await writeFile(file, before);
          throw new Error('pg_hba.conf has a fault');
        }
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
