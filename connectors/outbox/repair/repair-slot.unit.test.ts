import { describe, expect, it } from 'vitest';
import { parseLsn } from '../../../core/lsn.ts';
import type { SlotFacts } from '../../replication/slot.ts';
import type { GapCode } from '../../replication/source-findings.ts';
import type { Assessment } from '../../replication/source-identity.ts';
import { keepsSlot, unseenLog } from './repair-slot.ts';

type Seen = Omit<Assessment, 'cluster'>;

const SLOT = { name: 's', confirmedFlushLsn: parseLsn('0/200'), walStatus: 'reserved', synced: false } as SlotFacts;

function seen(code: GapCode, change: { slot?: Partial<SlotFacts> | undefined; fork?: string; told?: string; gap?: GapCode } = {}): Seen {
  const slot = 'slot' in change && change.slot === undefined ? undefined : { ...SLOT, ...change.slot };
  const timelineSwitch = change.fork === undefined ? undefined : { at: parseLsn(change.fork), toTarget: false };
  const remembered = { flushLsn: parseLsn(change.told ?? '0/200'), gap: change.gap };
  return { remembered, facts: { slot, timelineSwitch }, findings: [{ code, message: '' }] } as unknown as Seen;
}

describe('the slot of a source that is repaired', () => {
  it('stays wherever it can be read', () => {
    for (const code of ['SLOT_AHEAD', 'SLOT_RECREATED', 'PUBLICATION_CHANGED', 'CAPTURE_MEMORY_LOST', 'TOPIC_MISSING'] as const) {
      expect(keepsSlot(seen(code)), code).toBe(true);
    }
    expect(keepsSlot(seen('DATABASE_FAILED_OVER', { slot: { synced: true } }))).toBe(true);
  });

  it('is made anew where it is missing, lost, older than its publication or of another history', () => {
    for (const code of ['PUBLICATION_MISSING', 'PUBLICATION_YOUNGER', 'DATABASE_RESTORED', 'DATABASE_FOREIGN'] as const) {
      expect(keepsSlot(seen(code)), code).toBe(false);
    }
    expect(keepsSlot(seen('SLOT_MISSING', { slot: undefined }))).toBe(false);
    expect(keepsSlot(seen('TOPIC_MISSING', { slot: { walStatus: 'lost' } }))).toBe(false);
    expect(keepsSlot(seen('DATABASE_FAILED_OVER'))).toBe(false);
    // The stream met a publication that is younger; what the catalogue shows of it has changed once more since.
    expect(keepsSlot(seen('PUBLICATION_CHANGED', { gap: 'PUBLICATION_YOUNGER' }))).toBe(false);
  });

  it('leaves out the stretch from what was told to where it stands, and none when it stands at or below that', () => {
    const now = parseLsn('0/300');
    expect(unseenLog(seen('SLOT_RECREATED'), now)).toEqual({ from: '0/200', to: '0/300' });
    expect(unseenLog(seen('SLOT_MISSING'), undefined)).toEqual({ from: '0/200', to: undefined });
    expect(unseenLog(seen('PUBLICATION_CHANGED', { told: '0/300' }), now)).toBeUndefined();
    expect(unseenLog(seen('SLOT_RECREATED', { told: '0/0' }), now)).toEqual({ from: undefined, to: '0/300' });
  });

  it('leaves out the log from the fork after a failover, and nobody knows from where after a restore', () => {
    expect(unseenLog(seen('DATABASE_FAILED_OVER', { fork: '0/180' }), parseLsn('0/300'))).toEqual({ from: '0/180', to: '0/300' });
    expect(unseenLog(seen('DATABASE_FAILED_OVER', { fork: '0/180' }), parseLsn('0/170'))).toBeUndefined();
    expect(unseenLog(seen('DATABASE_RESTORED'), parseLsn('0/100'))).toEqual({ from: undefined, to: '0/100' });
  });
});
