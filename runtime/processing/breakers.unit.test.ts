import { describe, expect, it } from 'vitest';
import type { Dependency } from '../../core/dependency.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import { headerText } from '../../core/record.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { ACKED, JSON_DECODER, failedWith, groupUnderTest } from '../../test/support/group-under-test.ts';
import { settle } from '../../test/support/manual-clock.ts';
import type { HandlerContext } from './event-handler.ts';

const HOUR_MS = 3_600_000;
const away = (dependency: Dependency): HandlerResult => failedWith('CALL_UNAVAILABLE', 'away', { dependency });
const hung = (dependency: Dependency): HandlerResult => failedWith('CALL_FAILED', 'no answer in time', { dependency });
/** Hours pass in a test: nothing needs to look at the clock five times a second. */
const CALM = { commitIntervalMs: 60_000 };
/** Events of type Happened call the classifier, events of type Stored do not. */
const CALLING = {
  calls: new Map<string, Dependency>([['Happened', 'classifier']]),
  wanted: new Set(['Happened', 'Stored']),
  known: new Set(['Happened', 'Stored']),
};

function keys(count: number, prefix = 'k'): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

describe('a called service that is away', () => {
  it('holds up those who call it and, per key, those behind them; the others go on', async () => {
    let serving = false;
    const handled: string[] = [];
    const { group, consumer, clock, letters } = await groupUnderTest({
      ...CALM,
      ...CALLING,
      handler: async (event, context) => {
        if (event.type === 'Happened') context.awaiting('classifier');
        if (event.type === 'Happened' && !serving) return away('classifier');
        handled.push(`${event.aggregateId}${context.offset}`);
        expect(context.attempt).toBe(1);
        return ACKED;
      },
    });
    consumer.deliver([
      consumedRecord({ at: 0, key: 'a' }),
      consumedRecord({ at: 1, key: 'a', type: 'Stored' }),
      consumedRecord({ at: 2, key: 'b', type: 'Stored' }),
      consumedRecord({ at: 3, key: 'c' }),
    ]);
    await clock.advance(HOUR_MS);
    consumer.deliver([consumedRecord({ at: 4, key: 'd', type: 'Stored' })]);
    await clock.advance(1_000);
    expect(handled).toEqual(['b2', 'd4']);
    expect(consumer.paused.size, 'intake goes on').toBe(0);
    expect(group.health()).toMatchObject([
      {
        status: 'degraded',
        detail: expect.stringContaining('records that need the classifier wait: CALL_UNAVAILABLE'),
        facts: { waiting: 2 },
      },
    ]);
    serving = true;
    await clock.advance(11_000);
    expect(handled).toEqual(expect.arrayContaining(['a0', 'a1', 'c3']));
    expect(handled.indexOf('a0')).toBeLessThan(handled.indexOf('a1'));
    expect(letters).toEqual([]);
    expect(group.health()).toMatchObject([{ status: 'ok', facts: { breaker_classifier: 'closed', waiting: 0 } }]);
    expect(group.balance()).toMatchObject({ in: 5, acked: 5, inFlight: 0 });
  });

  it('uses up no attempt and makes no dead letter when it hangs instead', async () => {
    let serving = false;
    const attempts = new Set<number>();
    const { group, consumer, clock, letters } = await groupUnderTest({
      ...CALM,
      ...CALLING,
      handler: async (_event, context) => {
        context.awaiting('classifier');
        attempts.add(context.attempt);
        return serving ? ACKED : hung('classifier');
      },
    });
    consumer.deliver(keys(20).map((key, at) => consumedRecord({ at, key })));
    await clock.advance(HOUR_MS);
    expect(group.health()).toMatchObject([{ status: 'degraded', facts: { breaker_classifier: expect.stringMatching('open') } }]);
    serving = true;
    await clock.advance(60_000);
    expect({ letters, attempts: [...attempts] }).toEqual({ letters: [], attempts: [1] });
    expect(group.balance()).toMatchObject({ in: 20, acked: 20, inFlight: 0 });
  });
});

describe('the last attempt', () => {
  it('is none while it tries out a dependency: what fails then is not counted', async () => {
    let service: 'away' | 'hung' | 'serving' = 'away';
    const wasLast = new Set<boolean>();
    const { group, consumer, clock, letters } = await groupUnderTest({
      ...CALM,
      ...CALLING,
      retryPolicy: { delaysMs: [], jitter: 0 },
      handler: async (_event, context) => {
        context.awaiting('classifier');
        if (service === 'away') return away('classifier');
        wasLast.add(context.lastAttempt);
        return service === 'hung' ? hung('classifier') : ACKED;
      },
    });
    consumer.deliver([consumedRecord({ at: 0 })]);
    await clock.advance(1_000);
    service = 'hung';
    await clock.advance(HOUR_MS);
    expect([...wasLast]).toEqual([false]);
    service = 'serving';
    await clock.advance(11_000);
    expect(letters).toEqual([]);
    expect(group.balance()).toMatchObject({ acked: 1, inFlight: 0 });
  });

  it('does not speak for a service that did not answer it', async () => {
    const { group, consumer, clock } = await groupUnderTest({
      handler: async (_event, context) => {
        context.awaiting('classifier');
        context.unanswered();
        context.awaiting('postgres');
        return ACKED;
      },
    });
    consumer.deliver([consumedRecord({ at: 0 })]);
    await clock.advance(1_000);
    const { facts = {} } = group.health()[0] ?? {};
    expect(Object.keys(facts).filter((name) => name.startsWith('breaker_'))).toEqual(['breaker_postgres']);
  });
});

describe('a handler that runs out of time', () => {
  it('on every key is an outage of what it waited for', async () => {
    let serving = false;
    const { group, consumer, clock, letters } = await groupUnderTest({
      ...CALM,
      handlerTimeoutMs: 1_000,
      handler: (_event, context) => {
        context.awaiting('postgres');
        return serving ? Promise.resolve(ACKED) : new Promise(() => undefined);
      },
    });
    consumer.deliver(keys(10).map((key, at) => consumedRecord({ at, key })));
    await clock.advance(HOUR_MS);
    expect(group.health()).toMatchObject([{ status: 'degraded', detail: expect.stringContaining('HANDLER_TIMEOUT') }]);
    expect(consumer.paused.size, 'others may prove the suspicion wrong').toBe(0);
    serving = true;
    await clock.advance(60_000);
    expect(letters).toEqual([]);
    expect(group.balance()).toMatchObject({ in: 10, acked: 10 });
  });

  it('on a few keys is their own fault, and nobody else waits for it', async () => {
    const waits: number[] = [];
    const { group, consumer, clock, letters } = await groupUnderTest({
      ...CALM,
      handlerTimeoutMs: 1_000,
      handler: (event, context) => {
        context.awaiting('postgres');
        return event.aggregateId.startsWith('poison') ? new Promise(() => undefined) : Promise.resolve(ACKED);
      },
    });
    consumer.deliver([...keys(4, 'poison'), ...keys(30)].map((key, at) => consumedRecord({ at, key })));
    await settle();
    expect(group.balance()).toMatchObject({ acked: 30 });
    for (let minute = 0; minute < 10; minute += 1) {
      await clock.advance(60_000);
      waits.push(Number(group.health()[0]?.facts?.['waiting']));
    }
    expect(new Set(waits)).toEqual(new Set([0]));
    expect(letters.map(({ headers }) => headerText(headers, 'dlt-attempts'))).toEqual(['4', '4', '4', '4']);
    expect(group.balance()).toMatchObject({ acked: 30, deadLettered: 4, inFlight: 0 });
  });
});

describe('poison on many keys', () => {
  it('that looks like an outage holds up nobody for long once another key passes, and ends in the dead letters', async () => {
    const { group, consumer, clock, letters } = await groupUnderTest({
      ...CALM,
      handler: async (event, context) => {
        context.awaiting('postgres');
        return event.aggregateId.startsWith('poison') ? failedWith('HANDLER_TIMEOUT', 'too slow', { dependency: 'postgres' }) : ACKED;
      },
    });
    consumer.deliver(keys(8, 'poison').map((key, at) => consumedRecord({ at, key })));
    await clock.advance(60_000);
    expect(group.health()).toMatchObject([{ status: 'degraded' }]);
    for (let round = 0; round < 20; round += 1) {
      consumer.deliver(keys(10, `r${round}k`).map((key, at) => consumedRecord({ at: 8 + round * 10 + at, key })));
      await clock.advance(11_000);
      expect(group.balance().acked).toBe((round + 1) * 10);
    }
    await clock.advance(600_000);
    expect(letters).toHaveLength(8);
    expect(group.balance()).toMatchObject({ acked: 200, deadLettered: 8, inFlight: 0 });
  });
});

describe('a dependency that comes back', () => {
  it('is met by one, then by two, then by four, and by all only when those have passed', async () => {
    let serving = false;
    let running = 0;
    const highest: number[] = [];
    const ends: (() => void)[] = [];
    const { consumer, clock, group } = await groupUnderTest({
      ...CALM,
      limits: { concurrencyMax: 8 },
      handler: (_event, context) => {
        context.awaiting('postgres');
        if (!serving) return Promise.resolve(failedWith('POSTGRES_UNAVAILABLE', 'away'));
        running += 1;
        return new Promise((resolve) => {
          ends.push(() => {
            running -= 1;
            resolve(ACKED);
          });
        });
      },
    });
    consumer.deliver(keys(40).map((key, at) => consumedRecord({ at, key })));
    await clock.advance(60_000);
    serving = true;
    await clock.advance(10_000);
    while (ends.length > 0) {
      highest.push(running);
      for (const end of ends.splice(0)) end();
      await settle();
      await settle();
    }
    expect(highest).toEqual([1, 2, 4, 8, 8, 8, 8, 1]);
    expect(group.balance()).toMatchObject({ acked: 40, inFlight: 0 });
  });

  it('is tried by another one when the first that tries has nothing to say about it', async () => {
    let serving = false;
    const { consumer, clock, group, letters } = await groupUnderTest({
      ...CALM,
      limits: { concurrencyMax: 1 },
      handler: async (event, context) => {
        if (event.aggregateId === 'poison' && serving) return failedWith('DECISION_FAILED', 'bug');
        context.awaiting('postgres');
        return serving ? ACKED : failedWith('POSTGRES_UNAVAILABLE', 'away');
      },
    });
    consumer.deliver(['first', 'poison', 'third'].map((key, at) => consumedRecord({ at, key })));
    await clock.advance(1_000);
    serving = true;
    await clock.advance(10_000);
    expect(letters).toHaveLength(1);
    expect(group.balance()).toMatchObject({ acked: 2, deadLettered: 1, inFlight: 0 });
    expect(consumer.paused.size).toBe(0);
  });
});

describe('a registry that is away', () => {
  it('holds up the records whose schema was never read, and no others', async () => {
    let serving = false;
    const { consumer, clock, group } = await groupUnderTest({
      ...CALM,
      decoder: {
        decode: async (type, record) => (serving || isKnown(record.offset) ? JSON_DECODER.decode(type, record) : Promise.reject(refusal())),
        readsFromMemory: ({ offset }) => isKnown(offset),
      },
      handler: async () => ACKED,
    });
    consumer.deliver(keys(6).map((key, at) => consumedRecord({ at, key })));
    await clock.advance(HOUR_MS);
    expect(group.balance()).toMatchObject({ acked: 3, inFlight: 3 });
    expect(consumer.paused.size).toBe(0);
    serving = true;
    await clock.advance(11_000);
    expect(group.balance()).toMatchObject({ acked: 6, inFlight: 0 });
  });

  const isKnown = (offset: bigint): boolean => offset % 2n === 0n;
  const refusal = (): Error => {
    const result = failedWith('REGISTRY_UNAVAILABLE', 'away');
    return result.kind === 'failed' ? result.error : new Error();
  };
});

describe('two dependencies', () => {
  it('that are away at the same time are both waited for', async () => {
    const serving = { classifier: false, postgres: false };
    const { consumer, clock, group, letters } = await groupUnderTest({
      ...CALM,
      ...CALLING,
      handler: async (event, context) => {
        if (event.type === 'Happened') {
          context.awaiting('classifier');
          if (!serving.classifier) return away('classifier');
        }
        context.awaiting('postgres');
        return serving.postgres ? ACKED : failedWith('POSTGRES_UNAVAILABLE', 'away');
      },
    });
    consumer.deliver(keys(6).map((key, at) => consumedRecord({ at, key, type: at % 2 === 0 ? 'Happened' : 'Stored' })));
    await clock.advance(HOUR_MS);
    serving.classifier = true;
    await clock.advance(HOUR_MS);
    expect(group.balance()).toMatchObject({ acked: 0 });
    serving.postgres = true;
    await clock.advance(30_000);
    expect(group.balance()).toMatchObject({ acked: 6, inFlight: 0 });
    expect(letters).toEqual([]);
  });
});

describe('a service that finds nothing at its address', () => {
  const notFound = failedWith('CALL_NOT_FOUND', 'the classifier answered 404', { dependency: 'classifier' });

  it.each([1, 2, 20])('is away for all who call it, however long, and for as few as %i: nobody is refused', async (count) => {
    let rightAddress = false;
    const attempts = new Set<number>();
    const { group, consumer, clock, letters } = await groupUnderTest({
      ...CALM,
      ...CALLING,
      handler: async (_event, context) => {
        context.awaiting('classifier');
        attempts.add(context.attempt);
        return rightAddress ? ACKED : notFound;
      },
    });
    consumer.deliver(keys(count).map((key, at) => consumedRecord({ at, key })));
    await clock.advance(HOUR_MS);
    expect(group.health()).toMatchObject([{ status: 'degraded', detail: expect.stringContaining('CALL_NOT_FOUND') }]);
    rightAddress = true;
    await clock.advance(60_000);
    expect({ letters, attempts: [...attempts] }).toEqual({ letters: [], attempts: [1] });
    expect(group.balance()).toMatchObject({ acked: count, inFlight: 0 });
  });

  it('while it answers others has been asked for what is gone: that record climbs the ladder at once, and holds up nobody', async () => {
    const tries: number[] = [];
    const states = new Set<unknown>();
    const { group, consumer, clock, letters } = await groupUnderTest({
      ...CALM,
      ...CALLING,
      handler: async (event, context) => {
        context.awaiting('classifier');
        if (event.aggregateId !== 'gone') return ACKED;
        tries.push(context.attempt);
        return notFound;
      },
    });
    for (let at = 0; at < 400; at += 1) {
      consumer.deliver([consumedRecord({ at, key: at === 1 ? 'gone' : `k${at}` })]);
      await clock.advance(1_000);
      states.add(group.health()[0]?.facts?.['breaker_classifier']);
    }
    expect([...states]).toEqual(['closed']);
    expect(tries).toEqual([1, 2, 3, 4]);
    expect(letters.map(({ headers }) => headerText(headers, 'dlt-error-code'))).toEqual(['CALL_FAILED']);
    expect(group.balance()).toMatchObject({ acked: 399, deadLettered: 1, inFlight: 0 });
  });

  it('after it had answered keeps those on the ladder who came first, without their last attempt', async () => {
    let rightAddress = true;
    const { group, consumer, clock, letters } = await groupUnderTest({
      ...CALM,
      ...CALLING,
      handler: async (_event, context) => {
        context.awaiting('classifier');
        return rightAddress ? ACKED : notFound;
      },
    });
    consumer.deliver([consumedRecord({ at: 0, key: 'before' })]);
    await clock.advance(1_000);
    rightAddress = false;
    consumer.deliver(keys(20).map((key, index) => consumedRecord({ at: index + 1, key })));
    await clock.advance(HOUR_MS);
    expect(letters).toEqual([]);
    rightAddress = true;
    await clock.advance(60_000);
    expect(letters).toEqual([]);
    expect(group.balance()).toMatchObject({ acked: 21, inFlight: 0 });
  });
});

describe('a record that makes an outage of its own', () => {
  it('counts its attempts from the third time on that others were answered between its tries, and opens nothing any more', async () => {
    const tries: Pick<HandlerContext, 'attempt' | 'lastAttempt'>[] = [];
    const { group, consumer, clock, letters } = await groupUnderTest({
      ...CALM,
      ...CALLING,
      handler: async (event, context) => {
        context.awaiting('classifier');
        if (event.aggregateId !== 'poison') return ACKED;
        tries.push({ attempt: context.attempt, lastAttempt: context.lastAttempt });
        return away('classifier');
      },
    });
    consumer.deliver([consumedRecord({ at: 0, key: 'poison' })]);
    await clock.advance(1_000);
    let at = 1;
    const passes = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n += 1, at += 1) {
        consumer.deliver([consumedRecord({ at, key: `k${at}` })]);
        await clock.advance(11_000);
      }
    };
    await passes(3);
    expect(group.balance()).toMatchObject({ acked: 3, retried: 1, inFlight: 0 });
    expect(group.health()).toMatchObject([{ status: 'ok', facts: { breaker_classifier: 'closed', waiting: 0 } }]);
    const before = tries.length;
    await passes(60);
    expect(tries.slice(before).map(({ attempt, lastAttempt }) => [attempt, lastAttempt])).toEqual([
      [2, false],
      [3, false],
      [4, true],
    ]);
    expect(letters.map(({ headers }) => [headerText(headers, 'dlt-error-code'), headerText(headers, 'dlt-attempts')])).toEqual([
      ['CALL_FAILED', '4'],
    ]);
    expect(group.balance()).toMatchObject({ acked: at - 1, deadLettered: 1, inFlight: 0 });
  });

  it('lets its handler decide in place of the call, when it was the last attempt', async () => {
    const codes: string[] = [];
    const { group, consumer, clock, letters } = await groupUnderTest({
      ...CALM,
      ...CALLING,
      handler: async (event, context) => {
        context.awaiting('classifier');
        if (event.aggregateId !== 'poison') return ACKED;
        const error = context.blame(new ClassifiedError('CALL_UNAVAILABLE', 'away', { dependency: 'classifier' }));
        codes.push(error.code);
        if (!context.lastAttempt || error.code !== 'CALL_FAILED') return { kind: 'failed', error };
        context.unanswered();
        return ACKED;
      },
    });
    consumer.deliver([consumedRecord({ at: 0, key: 'poison' })]);
    for (let at = 1; at <= 60; at += 1) {
      consumer.deliver([consumedRecord({ at, key: `k${at}` })]);
      await clock.advance(11_000);
    }
    expect(codes.slice(-4)).toEqual(['CALL_FAILED', 'CALL_FAILED', 'CALL_FAILED', 'CALL_FAILED']);
    expect(letters).toEqual([]);
    expect(group.balance()).toMatchObject({ acked: 61, inFlight: 0 });
  });

  it('does not keep the others from coming, who prove it, although all of them need the dependency; and is tried alone there', async () => {
    const isolated: boolean[] = [];
    const { group, consumer, clock, letters } = await groupUnderTest({
      ...CALM,
      handler: async (event, context) => {
        context.awaiting('postgres');
        if (event.aggregateId !== 'poison') return ACKED;
        isolated.push(context.isolated('postgres'));
        return failedWith('POSTGRES_UNAVAILABLE', 'connection lost');
      },
    });
    consumer.deliver([consumedRecord({ at: 0, key: 'poison' })]);
    for (let at = 1; at <= 60; at += 1) {
      await clock.advance(11_000);
      expect(consumer.paused.size).toBe(0);
      consumer.deliver([consumedRecord({ at, key: `k${at}` })]);
    }
    await clock.advance(11_000);
    expect(new Set(isolated.slice(-6))).toEqual(new Set([true]));
    expect(letters.map(({ headers }) => headerText(headers, 'dlt-error-code'))).toEqual(['HANDLER_FAILED']);
    expect(group.balance()).toMatchObject({ acked: 60, deadLettered: 1, inFlight: 0 });
  });

  it('uses up no attempt in an outage that meets everybody, also when it has been found out before', async () => {
    let serving = true;
    const attempts: number[] = [];
    const { group, consumer, clock, letters } = await groupUnderTest({
      ...CALM,
      ...CALLING,
      handler: async (event, context) => {
        context.awaiting('classifier');
        if (event.aggregateId === 'poison') attempts.push(context.attempt);
        return serving && event.aggregateId !== 'poison' ? ACKED : away('classifier');
      },
    });
    consumer.deliver([consumedRecord({ at: 0, key: 'poison' })]);
    await clock.advance(1_000);
    for (let at = 1; at <= 3; at += 1) {
      consumer.deliver([consumedRecord({ at, key: `k${at}` })]);
      for (let second = 0; second < 20 && group.balance().acked < at; second += 1) await clock.advance(1_000);
    }
    expect(group.balance()).toMatchObject({ acked: 3, retried: 1, inFlight: 0 });
    await clock.advance(1_000);
    consumer.deliver([consumedRecord({ at: 4, key: 'k4' })]);
    await clock.advance(1_000);
    serving = false;
    consumer.deliver([consumedRecord({ at: 5, key: 'k5' })]);
    await clock.advance(10 * HOUR_MS);
    expect(attempts.at(-1)).toBe(2);
    expect(letters).toEqual([]);
    expect(group.balance()).toMatchObject({ acked: 4, inFlight: 2 });
  });
});

describe('a record that passes without a question for the dependency', () => {
  it('proves nothing against those that wait for it: they use up no attempt', async () => {
    const attempts = new Set<number>();
    const { group, consumer, clock, letters } = await groupUnderTest({
      ...CALM,
      ...CALLING,
      handler: async (event, context) => {
        if (event.aggregateId.startsWith('k')) return ACKED;
        attempts.add(context.attempt);
        context.awaiting('classifier');
        return away('classifier');
      },
    });
    consumer.deliver(['a', 'b', 'c'].map((key, at) => consumedRecord({ at, key })));
    for (let at = 3; at < 63; at += 1) {
      await clock.advance(11_000);
      consumer.deliver([consumedRecord({ at, key: `k${at}` })]);
    }
    await clock.advance(11_000);
    expect({ letters, attempts: [...attempts] }).toEqual({ letters: [], attempts: [1] });
    expect(group.balance()).toMatchObject({ acked: 60, inFlight: 3 });
  });
});

describe('a dependency that nothing tells who needs it', () => {
  it('is waited for by those that met its outage; nobody else waits, and intake goes on', async () => {
    let serving = false;
    const { group, consumer, clock, letters } = await groupUnderTest({
      ...CALM,
      occasional: new Set(['postgres'] as const),
      handler: async (event, context) => {
        context.awaiting('redis');
        if (serving || event.aggregateId.startsWith('k')) return ACKED;
        expect(context.attempt).toBe(1);
        return failedWith('POSTGRES_UNAVAILABLE', 'away');
      },
    });
    consumer.deliver(['missing', 'missing too'].map((key, at) => consumedRecord({ at, key })));
    for (let at = 2; at < 32; at += 1) {
      await clock.advance(11_000);
      expect(consumer.paused.size).toBe(0);
      consumer.deliver([consumedRecord({ at, key: `k${at}` })]);
      await settle();
      expect(group.balance()).toMatchObject({ acked: at - 1, inFlight: 2 });
    }
    expect(group.health()).toMatchObject([{ status: 'degraded', detail: expect.stringContaining('records that need the postgres wait') }]);
    serving = true;
    await clock.advance(21_000);
    expect(letters).toEqual([]);
    expect(group.balance()).toMatchObject({ acked: 32, inFlight: 0 });
  });
});
