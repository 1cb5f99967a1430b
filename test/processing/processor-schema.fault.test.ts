import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { services } from '../support/services.ts';
import { ProcessorUnderFault } from './processor-under-fault.ts';

describe('a processor whose database is not as it knows it', () => {
  let fault: ProcessorUnderFault;
  let sql: pg.Client;

  beforeEach(async () => {
    fault = await ProcessorUnderFault.open('schema', services());
    sql = new pg.Client({ connectionString: fault.databaseUrl });
    await sql.connect();
  });
  afterEach(async () => {
    await sql.end();
    await fault.close();
  });

  it('waits while a column is missing, as before a migration, and gives up nothing for it', async () => {
    const processor = await fault.startedProcessor();
    const tried = (): number => processor.heard.filter(({ is }) => is === 'handling').length;
    const triesInVain = async (): Promise<void> => {
      const before = tried();
      await eventually(() => tried() > before + 3, { timeoutMs: 60_000 });
    };
    fault.feed();
    await fault.moves();
    await sql.query('ALTER TABLE bank.processed_events RENAME COLUMN compensation TO not_there_yet');
    await eventually(
      async () => {
        const { report } = await processor.ask({ order: 'look' }, 'seen');
        expect(report).toMatchObject({ status: 'degraded', facts: { breaker_postgres: expect.stringMatching(/open/) as string } });
      },
      { timeoutMs: 30_000 },
    );
    const letters = await fault.lettersWritten();
    await fault.order(60);
    // So long as the ladder takes, and longer: whoever went on would have given up by now.
    await triesInVain();
    expect(await fault.lettersWritten()).toBe(letters);
    await sql.query('ALTER TABLE bank.processed_events RENAME COLUMN not_there_yet TO compensation');
    const recoveredMs = await fault.recovery();
    await fault.moves();
    await fault.verify('a column was missing', recoveredMs);
  });
});
