import pg from 'pg';
import { SILENT_LOGGER } from '../../core/log.ts';
import { migrateDomain } from '../../runtime/postgres/migrate.ts';

/** The domain `my` as a deployment has it, in a database of the benchmark's own. */
export class StepDatabase {
  readonly url: string;

  private constructor(url: string) {
    this.url = url;
  }

  /** Makes the database; it must not exist. */
  static async create(postgresUrl: string, name: string): Promise<StepDatabase> {
    const database = new StepDatabase(`${postgresUrl.replace(/\/$/, '')}/${name}`);
    await migrateDomain({ databaseUrl: database.url, domain: 'my', logger: SILENT_LOGGER });
    return database;
  }

  /** Everything that a measurement has written is gone, so that the next one finds what that one found. */
  async empty(): Promise<void> {
    const client = new pg.Client({ connectionString: this.url });
    await client.connect();
    try {
      // The tables refuse to be truncated, by triggers that this setting passes by.
      await client.query('SET session_replication_role = replica');
      await client.query('TRUNCATE my.events, my.snapshots, my.outbox, my.processed_events, my.users');
      await client.query('CHECKPOINT');
    } finally {
      await client.end();
    }
  }
}
