import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../test/support/system-clock.ts';
import type { TemporaryDatabases } from '../../test/support/temporary-databases.ts';
import { temporaryDatabases } from '../../test/support/temporary-databases.ts';
import type { CaptureSource } from './source.ts';
import { assertLogical, checkCaptureSource, dropCaptureSource, ensureCaptureSource } from './capture-source.ts';
import { dropPublication } from './publication.ts';
import { confirmedLagBytes, readSlot, retainedBytes } from './slot.ts';

describe('publication and slot of a capture', () => {
  let databases: TemporaryDatabases;
  let source: CaptureSource;
  let sql: pg.Client;

  beforeEach(async () => {
    databases = temporaryDatabases('source');
    const url = databases.url('scan');
    const name = `${databases.namespace}_millrace_scan`;
    source = { url, slot: name, publication: { name, schema: 'scan', table: 'outbox' } };
    await databases.admin(`CREATE DATABASE "${new URL(url).pathname.slice(1)}"`);
    sql = new pg.Client({ connectionString: url });
    await sql.connect();
    await sql.query('CREATE SCHEMA scan; CREATE TABLE scan.outbox (id uuid, day int) PARTITION BY RANGE (day)');
  });
  afterEach(async () => {
    await sql.end();
    await dropCaptureSource(source, systemClock);
    await databases.dropAll();
  });

  it('are made once, the publication before the slot, and left alone the second time', async () => {
    expect(await ensureCaptureSource(source)).toEqual([
      `created publication ${source.publication.name} for inserts into scan.outbox`,
      `created slot ${source.slot}`,
    ]);
    expect(await ensureCaptureSource(source)).toEqual([]);
    const { rows } = await sql.query('SELECT pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot FROM pg_publication');
    expect(rows).toEqual([{ pubinsert: true, pubupdate: false, pubdelete: false, pubtruncate: false, pubviaroot: true }]);
    expect(await checkCaptureSource(source)).toMatchObject({ slotActive: false });
    const slot = (await readSlot(sql, source.slot))!;
    expect(slot).toMatchObject({ plugin: 'pgoutput', active: false });
    expect(confirmedLagBytes(slot)! >= 0n && retainedBytes(slot)! >= 0n).toBe(true);
  });

  it('refuse a server whose log cannot be decoded', async () => {
    const server = { query: async () => ({ rows: [{ level: 'replica' }] }) };
    await expect(assertLogical(server)).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
    await expect(assertLogical(sql)).resolves.toBeUndefined();
  });

  it('are corrected where somebody changed them', async () => {
    await ensureCaptureSource(source);
    const name = source.publication.name;
    await sql.query(`ALTER PUBLICATION ${name} SET (publish = 'insert, update', publish_via_partition_root = false)`);
    expect(await ensureCaptureSource(source)).toEqual([`set publication ${name} to inserts under the root's name`]);
    await sql.query(`ALTER PUBLICATION ${name} DROP TABLE scan.outbox`);
    expect(await ensureCaptureSource(source)).toEqual([`added scan.outbox to publication ${name}`]);
    expect(await ensureCaptureSource(source)).toEqual([]);
  });

  it('name what is missing', async () => {
    await expect(checkCaptureSource(source)).rejects.toMatchObject({ code: 'SLOT_MISSING' });
    await ensureCaptureSource(source);
    await dropPublication(sql, source.publication.name);
    await expect(checkCaptureSource(source)).rejects.toMatchObject({ code: 'PUBLICATION_MISSING' });
    // A publication made now would be younger than the slot, which would never see it.
    await expect(ensureCaptureSource(source)).rejects.toMatchObject({ code: 'PUBLICATION_MISSING' });
  });

  it('refuse a database without the table, a publication of all tables or of some rows, and a slot of another plugin', async () => {
    const elsewhere = { ...source, publication: { ...source.publication, table: 'nothing' } };
    await expect(ensureCaptureSource(elsewhere)).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
    await sql.query(`CREATE PUBLICATION ${source.publication.name} FOR ALL TABLES`);
    await expect(ensureCaptureSource(source)).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
    await dropPublication(sql, source.publication.name);
    await sql.query(
      `CREATE PUBLICATION ${source.publication.name} FOR TABLE scan.outbox WHERE (day > 1) WITH (publish_via_partition_root)`,
    );
    await expect(ensureCaptureSource(source)).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
    await dropPublication(sql, source.publication.name);
    await sql.query(`SELECT pg_create_physical_replication_slot('${source.slot}')`);
    await expect(checkCaptureSource(source)).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
  });

  it('say that PostgreSQL is away, or that the database is not there', async () => {
    await expect(checkCaptureSource({ ...source, url: 'postgres://nobody@127.0.0.1:1/none' })).rejects.toMatchObject({
      code: 'POSTGRES_UNAVAILABLE',
    });
    await expect(checkCaptureSource({ ...source, url: databases.url('nothing') })).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
  });
});
