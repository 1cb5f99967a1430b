import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../core/errors.ts';
import { ClassifiedError, ERRORS } from '../../core/errors.ts';
import { RETRY_LADDER } from '../../core/retry-policy.ts';
import { decideDoor, IMMEDIATE_TRIES_MAX } from './decide-door.ts';

const policy = { delaysMs: [10_000, 60_000, 300_000], jitter: 0 };
const first = { attempt: 1, immediateTries: 0 };
const failed = (code: ErrorCode) => ({ kind: 'failed', error: new ClassifiedError(code, 'it failed') }) as const;
const after = (code: ErrorCode, tries = first) => decideDoor(failed(code), tries, policy, () => 0.5);

describe('the policy of the doors', () => {
  it('lets an effect out as acked and nothing to do as skipped', () => {
    expect(decideDoor({ kind: 'acked' }, first, policy, () => 0)).toEqual({ kind: 'leave', outcome: { door: 'acked' } });
    expect(decideDoor({ kind: 'skipped', reason: 'duplicate' }, first, policy, () => 0)).toEqual({
      kind: 'leave',
      outcome: { door: 'skipped', reason: 'duplicate' },
    });
  });

  it('sends what will never pass to the dead letters at its first attempt', () => {
    expect(after('PAYLOAD_UNREADABLE')).toMatchObject({ kind: 'dead-letter' });
  });

  it('waits for a dependency however many attempts were used up', () => {
    expect(after('POSTGRES_UNAVAILABLE')).toMatchObject({ kind: 'wait-for-dependency' });
    expect(after('POSTGRES_UNAVAILABLE', { attempt: 99, immediateTries: 99 })).toMatchObject({ kind: 'wait-for-dependency' });
  });

  it('climbs the ladder once per failed attempt and ends in the dead letters', () => {
    const steps = [1, 2, 3, 4].map((attempt) => after('CALL_FAILED', { attempt, immediateTries: 0 }));
    expect(steps).toMatchObject([
      { kind: 'park', delayMs: 10_000 },
      { kind: 'park', delayMs: 60_000 },
      { kind: 'park', delayMs: 300_000 },
      { kind: 'dead-letter', error: { code: 'CALL_FAILED' } },
    ]);
  });

  it('spreads the delays of the ladder', () => {
    const delay = (random: number) => decideDoor(failed('CALL_FAILED'), first, RETRY_LADDER, () => random);
    expect(delay(0)).toMatchObject({ delayMs: 8_000 });
    expect(delay(0.999_999)).toMatchObject({ delayMs: 12_000 });
  });

  it('tries a conflict again at once five times before it counts', () => {
    for (let immediateTries = 0; immediateTries < IMMEDIATE_TRIES_MAX; immediateTries += 1) {
      expect(after('VERSION_CONFLICT', { attempt: 1, immediateTries })).toEqual({ kind: 'try-at-once' });
    }
    expect(after('VERSION_CONFLICT', { attempt: 1, immediateTries: IMMEDIATE_TRIES_MAX })).toMatchObject({ kind: 'park', delayMs: 10_000 });
    expect(after('VERSION_CONFLICT', { attempt: 4, immediateTries: IMMEDIATE_TRIES_MAX })).toMatchObject({ kind: 'dead-letter' });
  });

  it('halts the group for what no retry and no other record would heal', () => {
    expect(after('CONFIGURATION_INVALID')).toMatchObject({ kind: 'halt' });
  });

  it('knows a way for every error of the table, and dead-letters no outage', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const { kind } = after(code, { attempt: 99, immediateTries: 99 });
      expect(kind === 'wait-for-dependency', code).toBe(ERRORS[code].disposition === 'outage');
    }
  });
});
