import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { services } from '../../test/support/services.ts';
import { eventually } from '../../test/support/eventually.ts';
import { SessionLock } from './session-lock.ts';

describe('a lock that one process of all has', () => {
  const url = () => `${services().postgresUrl.replace(/\/$/, '')}/postgres`;
  const name = () => `test ${Math.random()}`;

  it('is held by the first who asks, again and again, and taken by the next when that one lets go', async () => {
    const same = name();
    const [first, second] = [new SessionLock(url(), same), new SessionLock(url(), same)];
    try {
      expect([await first.isHeld(), await second.isHeld(), await first.isHeld()]).toEqual([true, false, true]);
      await first.release();
      await eventually(() => second.isHeld());
      expect(await first.isHeld()).toBe(false);
    } finally {
      await Promise.all([first.release(), second.release()]);
    }
  });

  it('is lost with its connection, which the holder learns when it asks', async () => {
    const same = name();
    const [first, second] = [new SessionLock(url(), same), new SessionLock(url(), same)];
    const client = new pg.Client({ connectionString: url() });
    await client.connect();
    try {
      await first.isHeld();
      await client.query(
        `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
           AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 0)`,
        [same],
      );
      await eventually(() => second.isHeld());
      await expect(first.isHeld()).rejects.toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
      expect(await first.isHeld()).toBe(false);
    } finally {
      await client.end();
      await Promise.all([first.release(), second.release()]);
    }
  });

  it('is taken from a holder that is frozen, and asks no more though its connection lives', async () => {
    const same = name();
    const [frozen, second] = [new SessionLock(url(), same, 200), new SessionLock(url(), same)];
    try {
      expect(await frozen.isHeld()).toBe(true);
      await eventually(() => second.isHeld());
      await expect(frozen.isHeld()).rejects.toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
      expect(await frozen.isHeld()).toBe(false);
    } finally {
      await Promise.all([frozen.release(), second.release()]);
    }
  });
});
