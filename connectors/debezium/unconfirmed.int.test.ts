import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CaptureDatabase } from '../../test/support/capture-database.ts';
import { captureDatabase } from '../../test/support/capture-database.ts';
import type { Sql } from '../replication/sql-session.ts';
import { countUnconfirmedMessages, fewUnconfirmed, unconfirmedIds } from './unconfirmed.ts';

describe('the look at what waits in a slot', () => {
  let database: CaptureDatabase;
  let slot: string;
  let largestAnswer: number;
  /** Sees how much of an answer is held at once. */
  const watched: Sql = {
    query: async (text, values) => {
      const answer = await database.sql.query(text, values);
      largestAnswer = Math.max(largestAnswer, answer.rows.length);
      return answer;
    },
  };
  const waiting = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const ids of unconfirmedIds(watched, slot, database.names.publication('image'))) found.push(...ids);
    return found;
  };

  beforeEach(async () => {
    database = await captureDatabase('unconf');
    slot = database.names.slot('image');
    largestAnswer = 0;
  });

  afterEach(async () => {
    await database.drop();
  });

  it('goes through one huge transaction a few rows at a time, and moves nothing', async () => {
    const before = await database.insert();
    await database.insertMany(3_000);
    const after = await database.insert();
    const confirmed = await database.confirmedFlushLsn();
    const found = await waiting();
    expect(found).toHaveLength(3_002);
    expect([found[0], found.at(-1)]).toEqual([before, after]);
    expect(new Set(found).size).toBe(3_002);
    expect(largestAnswer).toBeLessThanOrEqual(50);
    expect(await waiting()).toEqual(found);
    expect(await database.confirmedFlushLsn()).toBe(confirmed);
  });

  it('can be left early, and the session and the slot be used again', async () => {
    await database.insertMany(200);
    for await (const ids of unconfirmedIds(watched, slot, database.names.publication('image'))) {
      expect(ids.length).toBeGreaterThan(0);
      break;
    }
    expect(await waiting()).toHaveLength(200);
  });

  it('is not taken at more log than the server should write to its disk for it', async () => {
    await database.insertMany(1_000);
    expect(await fewUnconfirmed(database.sql, slot)).toBe(true);
    expect(await fewUnconfirmed(database.sql, slot, 10_000n)).toBe(false);
    expect(await fewUnconfirmed(database.sql, 'nobody_made_it')).toBe(false);
  });

  it('counts the events without a table, and no message of somebody else', async () => {
    await database.insert();
    await database.sql.query(`SELECT pg_logical_emit_message(true, p, '{}') FROM unnest($1::text[]) p`, [
      ['millrace.outbox', 'millrace.outbox2', 'millrace', 'another', 'millrace.outbox'],
    ]);
    expect(await countUnconfirmedMessages(database.sql, slot, database.names.publication('image'))).toBe(2);
    expect(await waiting()).toHaveLength(1);
  });
});
