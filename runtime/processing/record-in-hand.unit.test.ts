import { describe, expect, it } from 'vitest';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { AttemptDeadlines } from './attempt-deadlines.ts';
import { beginAttempt, NO_BREAKERS } from './attempt.ts';
import { PartitionEpoch } from './partition-epoch.ts';
import { takeInHand, type RecordInHand } from './record-in-hand.ts';

const take = (): RecordInHand =>
  takeInHand(consumedRecord({ at: 7, key: 'a', type: 'Quick' }), new PartitionEpoch({ topic: 'events.happened', partition: 0 }), 'a', 0);

describe('a record in hand', () => {
  it('knows its attempt while that runs, and lets go of it at its end', async () => {
    const item = take();
    const whileRunning: unknown[] = [];
    await new Promise<void>((resolve) => {
      const deps = {
        group: 'g',
        decoder: { decode: async () => ({}) },
        handler: async () => {
          whileRunning.push(item.running?.eventType);
          return { kind: 'acked' } as const;
        },
        wanted: new Set(['Quick']),
        known: new Set(['Quick']),
        deadlines: new AttemptDeadlines(new ManualClock()),
        timeoutMsOf: () => 1_000,
        retryPolicy: { delaysMs: [], jitter: 0 },
        breakers: NO_BREAKERS,
      };
      beginAttempt(item, deps, () => resolve());
    });
    expect(whileRunning).toEqual(['Quick']);
    expect(item.running).toBeUndefined();
  });

  it('can be asked what it was when it has gone: its envelope is read again', () => {
    const item = take();
    const { envelope } = item;
    item.go();
    expect(item.gone).toBe(true);
    expect(item.envelope).toEqual(envelope);
    expect(item.envelope).not.toBe(envelope);
  });
});
