import { describe, expect, it } from 'vitest';
import { parseLsn } from '../../core/lsn.ts';
import { classifyPostgresError } from './postgres-errors.ts';
import type { SlotFacts } from './slot.ts';
import { assertUsable } from './slot.ts';

const sql = { query: async () => ({ rows: [{ database: 'image' }] }) };
const slot: SlotFacts = {
  name: 's',
  plugin: 'pgoutput',
  database: 'image',
  active: false,
  confirmedFlushLsn: parseLsn('0/10'),
  restartLsn: parseLsn('0/8'),
  walStatus: 'reserved',
  invalidationReason: undefined,
  synced: false,
  transactionsSent: 0n,
  countedSince: '',
  currentLsn: parseLsn('0/20'),
};

describe('a slot', () => {
  it('can be used while its WAL is there, however scarce', async () => {
    for (const walStatus of ['reserved', 'extended', 'unreserved', undefined]) {
      await expect(assertUsable(sql, { ...slot, walStatus })).resolves.toBeUndefined();
    }
  });

  it('is lost when the server says so', async () => {
    await expect(assertUsable(sql, { ...slot, walStatus: 'lost', restartLsn: undefined })).rejects.toMatchObject({ code: 'SLOT_LOST' });
  });

  it('of another database or plugin is not ours', async () => {
    await expect(assertUsable(sql, { ...slot, database: 'scan' })).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
    await expect(assertUsable(sql, { ...slot, plugin: 'wal2json' })).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
  });
});

describe('an error of the capture’s connections', () => {
  it.each([
    ['55006', 'SLOT_IN_USE'],
    ['42704', 'SLOT_MISSING'],
    ['55000', 'POSTGRES_UNAVAILABLE'],
    ['28P01', 'CONFIGURATION_INVALID'],
    ['3D000', 'CONFIGURATION_INVALID'],
    ['28000', 'CONFIGURATION_INVALID'],
    ['42501', 'CONFIGURATION_INVALID'],
    ['08006', 'POSTGRES_UNAVAILABLE'],
    ['XX000', 'POSTGRES_UNAVAILABLE'],
    ['22P02', 'POSTGRES_UNAVAILABLE'],
    ['57P01', 'POSTGRES_UNAVAILABLE'],
    ['57P02', 'POSTGRES_UNAVAILABLE'],
    ['57P03', 'POSTGRES_UNAVAILABLE'],
    ['53300', 'POSTGRES_UNAVAILABLE'],
    ['ECONNREFUSED', 'POSTGRES_UNAVAILABLE'],
  ])('%s is %s, without the driver’s text', (code, expected) => {
    const error = classifyPostgresError(Object.assign(new Error('secret row'), { code }), 'the stream');
    expect(error.code).toBe(expected);
    expect(error.message).not.toContain('secret');
  });

  it('says what a server does that takes no sessions', () => {
    const starting = Object.assign(new Error('the database system is starting up'), { code: '57P03' });
    expect(classifyPostgresError(starting, 'the stream').message).toMatch(/starts up, recovers or shuts down.*SQLSTATE 57P03/);
  });
});
