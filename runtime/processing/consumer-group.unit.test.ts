import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import type { MetricName, Metrics } from '../../core/metrics.ts';
import { offset } from '../../core/offset.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import { headerText } from '../../core/record.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { ACKED, failedWith, groupUnderTest } from '../../test/support/group-under-test.ts';
import { ScriptedConsumer } from '../../test/support/scripted-consumer.ts';
import { settle } from '../../test/support/manual-clock.ts';
import type { HandlerContext } from './event-handler.ts';

const PARTITION = { topic: 'events.happened', partition: 0 };
const OTHER = { topic: 'events.happened', partition: 1 };
const record = consumedRecord;

/** A handler whose events end when the test says so. */
function heldHandler() {
  const held = new Map<number, { end: (result: HandlerResult) => void; context: HandlerContext }>();
  return {
    held,
    handler: (_event: unknown, context: HandlerContext) =>
      new Promise<HandlerResult>((end) => held.set(Number(context.offset), { end, context })),
    end: async (at: number, result: HandlerResult = ACKED) => {
      await settle();
      held.get(at)!.end(result);
      await settle();
    },
  };
}

describe('a consumer group', () => {
  it('commits the offset after the finished prefix, gaps included, and nothing above an unfinished record', async () => {
    const { handler, end } = heldHandler();
    const { consumer, clock } = await groupUnderTest({ handler });
    consumer.deliver([record({ at: 5, key: 'a' }), record({ at: 6, key: 'b' }), record({ at: 9, key: 'c' })]);
    await settle();
    await end(6);
    await end(9);
    await clock.advance(1_000);
    expect(consumer.commits).toEqual([]);
    await end(5);
    await clock.advance(1_000);
    expect(consumer.commits).toEqual([{ ...PARTITION, offset: 10n }]);
  });

  it('commits at once when many records have finished', async () => {
    const { consumer } = await groupUnderTest({ handler: async () => ACKED, commitRecordsMax: 3, limits: { concurrencyMax: 1 } });
    consumer.deliver([0, 1, 2, 3].map((at) => record({ at })));
    await settle();
    expect(consumer.committed(PARTITION)).toBeGreaterThanOrEqual(3n);
  });

  it('tries a commit again that the broker did not take, and forgets one that is not its own any more', async () => {
    const { consumer, clock } = await groupUnderTest({ handler: async () => ACKED });
    consumer.onCommit = async () => Promise.reject(new ClassifiedError('KAFKA_UNAVAILABLE', 'away'));
    consumer.deliver([record({ at: 0 })]);
    await clock.advance(1_000);
    consumer.onCommit = async () => false;
    await clock.advance(1_000);
    expect(consumer.commits).toEqual([]);
    consumer.onCommit = async () => true;
    await clock.advance(1_000);
    expect(consumer.commits).toEqual([{ ...PARTITION, offset: 1n }]);
  });

  it('passes over events that it does not want', async () => {
    const { group, consumer, clock, letters } = await groupUnderTest({ handler: () => expect.fail('not wanted') });
    consumer.deliver([record({ at: 0, type: 'Ignored' })]);
    await clock.advance(1_000);
    expect(group.balance()).toMatchObject({ in: 1, skipped: 1, inFlight: 0 });
    expect(consumer.committed(PARTITION)).toBe(1n);
    expect(letters).toEqual([]);
  });

  it('tells the handler the attempt, the deadline and whether another one follows', async () => {
    const seen: HandlerContext[] = [];
    const { consumer, clock } = await groupUnderTest({
      retryPolicy: { delaysMs: [1_000], jitter: 0 },
      handler: async (_event, context) => {
        seen.push(context);
        return failedWith('CALL_FAILED', 'no');
      },
    });
    consumer.deliver([record({ at: 4 })]);
    await clock.advance(5_000);
    expect(seen).toMatchObject([
      { group: 'processor.test', topic: 'events.happened', offset: 4n, attempt: 1, lastAttempt: false, deadlineMs: 30_000 },
      { attempt: 2, lastAttempt: true, deadlineMs: 31_000 },
    ]);
    // Of what comes from where it waited nobody asks for its age: whoever gave it back has done so.
    expect(seen.map(({ recordedAtMs }) => recordedAtMs)).toEqual([record({ at: 4 }).timestampMs, undefined]);
  });

  it('counts in = doors + released + in flight in its metrics whenever they are published', async () => {
    const counted = new Map<string, number>();
    const add = (name: MetricName, door: string | undefined, by: number) =>
      counted.set(door ?? name, (counted.get(door ?? name) ?? 0) + by);
    const metrics: Metrics = {
      count: (name, labels, by) => add(name, (labels as { readonly door?: string }).door, by ?? 1),
      gauge: (name, _labels, value) => counted.set(name, value),
      observe: () => undefined,
    };
    const { handler, end } = heldHandler();
    const { consumer, clock } = await groupUnderTest({ handler, metrics });
    consumer.deliver([record({ at: 0, key: 'a' }), record({ at: 1, key: 'b' }), record({ at: 2, key: 'c', type: 'Ignored' })]);
    await end(1);
    await clock.advance(200);
    const books = () =>
      ['millrace_records_in_total', 'acked', 'skipped', 'millrace_records_released_total', 'millrace_records_in_flight'].map(
        (name) => counted.get(name) ?? 0,
      );
    expect(books()).toEqual([3, 1, 1, 0, 1]);
    consumer.callbacks.onLost([PARTITION]);
    expect(books()).toEqual([3, 1, 1, 1, 0]);
  });
});

describe('a record that cannot be handled', () => {
  it('goes to the dead letters within one attempt, its bytes untouched, while its neighbours pass', async () => {
    const handled: bigint[] = [];
    const { consumer, clock, letters } = await groupUnderTest({
      handler: async (_event, { offset: at }) => {
        handled.push(at);
        return ACKED;
      },
    });
    const good = record({ at: 0 });
    const badJson = { ...record({ at: 1 }), value: Buffer.from('{"n":') };
    const noHeaders = { ...record({ at: 2 }), headers: [['id', null] as const] };
    const unknownType = record({ at: 3, type: 'Unheard' });
    const noValue = { ...record({ at: 4 }), value: null };
    const noKey = record({ at: 5, key: null });
    consumer.deliver([good, badJson, noHeaders, unknownType, noValue, noKey, record({ at: 6 })]);
    await clock.advance(200);
    expect(handled).toEqual([0n, 6n]);
    const byOffset = [...letters].sort(
      (a, b) => Number(headerText(a.headers, 'dlt-original-offset')) - Number(headerText(b.headers, 'dlt-original-offset')),
    );
    expect(byOffset.map(({ headers }) => headerText(headers, 'dlt-error-code'))).toEqual([
      'PAYLOAD_UNREADABLE',
      'ENVELOPE_INVALID',
      'EVENT_UNKNOWN',
      'PAYLOAD_UNREADABLE',
      'ENVELOPE_INVALID',
    ]);
    expect(new Set(byOffset.map(({ headers }) => headerText(headers, 'dlt-attempts')))).toEqual(new Set(['1']));
    [badJson, noHeaders, unknownType, noValue, noKey].forEach((poison, index) => {
      const letter = byOffset[index]!;
      expect(letter).toMatchObject({ topic: 'events.happened.processor.test.dlt', partition: 0 });
      expect(letter.key).toBe(poison.key);
      expect(letter.value).toBe(poison.value);
      expect(letter.headers.slice(0, poison.headers.length)).toEqual(poison.headers);
    });
    expect(consumer.committed(PARTITION)).toBe(7n);
  });

  it('climbs the ladder with what comes behind it of its key, while other keys go on and its offset is committed', async () => {
    const attempts: [string, number][] = [];
    const { group, consumer, clock, parked, letters } = await groupUnderTest({
      handler: async ({ aggregateId }, { attempt, offset: at }) => {
        attempts.push([`${aggregateId}${at}`, attempt]);
        return at === 0n ? failedWith('CALL_FAILED', 'it failed') : ACKED;
      },
    });
    consumer.deliver([record({ at: 0, key: 'a' }), record({ at: 1, key: 'a' }), record({ at: 2, key: 'b' })]);
    await clock.advance(1_000);
    expect(consumer.committed(PARTITION)).toBe(3n);
    await clock.advance(10_000 + 60_000 + 298_000);
    expect(attempts).toEqual([
      ['a0', 1],
      ['b2', 1],
      ['a0', 2],
      ['a0', 3],
    ]);
    expect(letters).toEqual([]);
    await clock.advance(2_000);
    expect(attempts.slice(4)).toEqual([
      ['a0', 4],
      ['a1', 1],
    ]);
    expect(letters.map(({ headers }) => [headerText(headers, 'dlt-error-code'), headerText(headers, 'dlt-attempts')])).toEqual([
      ['CALL_FAILED', '4'],
    ]);
    expect(headerText(letters[0]!.headers, 'dlt-first-failed-at')).toBe('2026-03-01T09:00:00.000Z');
    expect(headerText(letters[0]!.headers, 'dlt-failed-at')).toBe('2026-03-01T09:06:10.000Z');
    // Three were delivered; one came back three times, and one that waited behind it once.
    expect(group.balance()).toMatchObject({ in: 7, acked: 2, deadLettered: 1, retried: 4, released: 0, inFlight: 0 });
    expect(parked.rows).toEqual([]);
  });

  it('is tried again at once for a conflict, and counts it as an attempt only after five', async () => {
    const seen: number[] = [];
    const { consumer, clock } = await groupUnderTest({
      handler: async (_event, { attempt }) => {
        seen.push(attempt);
        return failedWith('VERSION_CONFLICT', 'again');
      },
    });
    consumer.deliver([record({ at: 0 })]);
    await clock.advance(9_000);
    expect(seen).toEqual([1, 1, 1, 1, 1, 1]);
    await clock.advance(2_000);
    expect(seen.slice(6)).toEqual([2, 2, 2, 2, 2, 2]);
  });

  it('counts a handler that throws or does not end in time, and ignores its late end', async () => {
    const { handler, held, end } = heldHandler();
    const { group, consumer, clock, letters } = await groupUnderTest({ handler, retryPolicy: { delaysMs: [], jitter: 0 } });
    consumer.deliver([record({ at: 0 })]);
    await clock.advance(30_000);
    expect(held.get(0)!.context.signal.aborted).toBe(true);
    await end(0);
    expect(letters.map(({ headers }) => headerText(headers, 'dlt-error-code'))).toEqual(['HANDLER_TIMEOUT']);
    expect(group.balance()).toMatchObject({ in: 1, deadLettered: 1, acked: 0, inFlight: 0 });
  });

  it('waits for its dead-letter topic with its offset, and holds back its key alone', async () => {
    let refusal: ClassifiedError | undefined = new ClassifiedError('CONFIGURATION_INVALID', 'no such topic');
    const letters: unknown[] = [];
    const handled: bigint[] = [];
    const { group, consumer, clock } = await groupUnderTest({
      producer: {
        send: async (records) => {
          if (refusal !== undefined) throw refusal;
          letters.push(...records);
        },
      },
      handler: async (_event, { offset: at }) => {
        handled.push(at);
        return at === 0n ? failedWith('DECISION_FAILED', 'bug') : ACKED;
      },
    });
    consumer.deliver([record({ at: 0, key: 'a' }), record({ at: 1, key: 'a' }), record({ at: 2, key: 'b' })]);
    await clock.advance(600_000);
    expect(handled).toEqual([0n, 2n]);
    expect(consumer.commits).toEqual([]);
    expect(group.health()).toMatchObject([
      {
        status: 'degraded',
        detail: expect.stringContaining('events.happened.processor.test.dlt: CONFIGURATION_INVALID.') as string,
        facts: { unburied: 1 },
      },
    ]);
    refusal = undefined;
    await clock.advance(11_000);
    expect(letters).toHaveLength(1);
    expect(handled).toEqual([0n, 2n, 1n]);
    expect(consumer.committed(PARTITION)).toBe(3n);
    expect(group.health()).toMatchObject([{ status: 'ok', facts: { unburied: 0 } }]);
  });
});

describe('an outage', () => {
  it('pauses intake, lets one record after another try for as long as it takes, uses up no attempt and makes no dead letter', async () => {
    let away = true;
    const attempts: [bigint, number][] = [];
    const { group, consumer, clock, letters } = await groupUnderTest({
      limits: { concurrencyMax: 2 },
      commitIntervalMs: 60_000,
      handler: async (_event, { offset: at, attempt }) => {
        attempts.push([at, attempt]);
        return away ? failedWith('POSTGRES_UNAVAILABLE', 'away') : ACKED;
      },
    });
    consumer.deliver([0, 1, 2, 3].map((at) => record({ at, key: `k${at}` })));
    await clock.advance(2 * 3_600_000);
    expect(consumer.paused).toEqual(new Set(['events.happened/0']));
    expect(group.health()).toMatchObject([{ status: 'degraded', detail: expect.stringContaining('POSTGRES_UNAVAILABLE') }]);
    expect(letters).toEqual([]);
    expect(new Set(attempts.map(([at]) => at)).size, 'each of them tries').toBe(4);
    expect(new Set(attempts.map(([, attempt]) => attempt))).toEqual(new Set([1]));
    expect(attempts.length).toBeGreaterThan(700);
    away = false;
    await clock.advance(71_000);
    expect(consumer.paused.size).toBe(0);
    expect(group.balance()).toMatchObject({ in: 4, acked: 4, inFlight: 0 });
    expect(consumer.committed(PARTITION)).toBe(4n);
    expect(group.health()).toMatchObject([{ status: 'ok' }]);
  });

  it('ends although the record that tried was given back', async () => {
    let away = true;
    const { group, consumer, clock } = await groupUnderTest(
      { handler: async () => (away ? failedWith('REDIS_UNAVAILABLE', 'away') : ACKED) },
      [PARTITION, OTHER],
    );
    consumer.deliver([record({ at: 0, key: 'a' })]);
    await clock.advance(1_000);
    await consumer.callbacks.onRevoking([PARTITION]);
    away = false;
    consumer.deliver([record({ at: 0, key: 'b', partition: 1 })]);
    await clock.advance(11_000);
    expect(consumer.paused.has('events.happened/1')).toBe(false);
    expect(group.balance()).toMatchObject({ in: 2, acked: 1, released: 1, inFlight: 0 });
  });

  it('pauses partitions that come meanwhile', async () => {
    const { consumer, clock } = await groupUnderTest({ handler: async () => failedWith('REDIS_UNAVAILABLE', 'away') });
    consumer.deliver([record({ at: 0, key: 'a' }), record({ at: 1, key: 'b' })]);
    await clock.advance(1_000);
    consumer.callbacks.onAssigned([OTHER]);
    expect(consumer.paused).toEqual(new Set(['events.happened/0', 'events.happened/1']));
  });

  it('that nothing heals halts the group: nothing more is handled, nothing is committed past it, the health is down', async () => {
    const handled: bigint[] = [];
    const { group, consumer, clock, fatal, letters } = await groupUnderTest({
      limits: { concurrencyMax: 1 },
      handler: async (_event, { offset: at }) => {
        handled.push(at);
        return at === 1n ? failedWith('CONFIGURATION_INVALID', 'wrong') : ACKED;
      },
    });
    consumer.deliver([0, 1, 2].map((at) => record({ at, key: `k${at}` })));
    await clock.advance(600_000);
    expect(handled).toEqual([0n, 1n]);
    expect(fatal.map(({ code }) => code)).toEqual(['CONFIGURATION_INVALID']);
    expect(consumer.committed(PARTITION)).toBe(1n);
    expect(consumer.paused.size).toBe(1);
    expect(letters).toEqual([]);
    expect(group.health()).toMatchObject([{ status: 'down' }]);
    await group.stop(new AbortController().signal);
    expect(group.balance()).toMatchObject({ in: 3, acked: 1, released: 2, inFlight: 0 });
  });
});

describe('giving partitions away', () => {
  it('lets what runs finish, gives back what has not begun, commits, and only then answers', async () => {
    const { handler, end, held } = heldHandler();
    const { group, consumer } = await groupUnderTest({ handler });
    consumer.deliver([record({ at: 0, key: 'a' }), record({ at: 1, key: 'a' }), record({ at: 2, key: 'b' })]);
    await settle();
    let answered = false;
    const revoking = consumer.callbacks.onRevoking([PARTITION]).then(() => (answered = true));
    await end(2);
    consumer.deliver([record({ at: 3, key: 'c' })]);
    expect(answered).toBe(false);
    await end(0);
    await revoking;
    expect([...held.keys()].sort()).toEqual([0, 2]);
    expect(consumer.commits).toEqual([{ ...PARTITION, offset: 1n }]);
    expect(group.balance()).toMatchObject({ in: 3, acked: 2, released: 1, inFlight: 0 });
  });

  it('cuts off what does not end in time, and ignores its late end', async () => {
    const { handler, end, held } = heldHandler();
    const { group, consumer, clock } = await groupUnderTest({ handler });
    consumer.deliver([record({ at: 0 })]);
    await settle();
    const revoking = consumer.callbacks.onRevoking([PARTITION]);
    await clock.advance(10_000);
    await revoking;
    expect(held.get(0)!.context.signal.aborted).toBe(true);
    consumer.callbacks.onAssigned([PARTITION]);
    await end(0);
    await clock.advance(1_000);
    expect(consumer.commits).toEqual([]);
    expect(group.balance()).toMatchObject({ in: 1, acked: 0, released: 1, inFlight: 0 });
    consumer.deliver([record({ at: 0 })]);
    await settle();
    await end(0);
    await clock.advance(1_000);
    expect(consumer.commits).toEqual([{ ...PARTITION, offset: 1n }]);
  });

  it('neither parks nor gives up what is cut off, even at its last attempt: its next owner has it', async () => {
    for (const delaysMs of [[], [10_000]]) {
      const { handler, held } = heldHandler();
      const { consumer, clock, letters, parked } = await groupUnderTest({ handler, retryPolicy: { delaysMs, jitter: 0 } });
      consumer.deliver([record({ at: 0 })]);
      await settle();
      consumer.callbacks.onLost([PARTITION]);
      await clock.advance(1_000);
      expect(held.get(0)!.context.signal.aborted).toBe(true);
      expect({ letters, parked: parked.rows }).toEqual({ letters: [], parked: [] });
    }
  });

  it('does not wait for what climbs the ladder', async () => {
    const { group, consumer, clock } = await groupUnderTest({ handler: async () => failedWith('CALL_FAILED', 'no') });
    consumer.deliver([record({ at: 0 })]);
    await clock.advance(1_000);
    await consumer.callbacks.onRevoking([PARTITION]);
    expect(group.balance()).toMatchObject({ in: 1, retried: 1, released: 0, inFlight: 0 });
    expect(consumer.committed(PARTITION)).toBe(1n);
  });

  it('waits for a dead letter that is on its way', async () => {
    let written = (): void => undefined;
    const { group, consumer } = await groupUnderTest({
      handler: async () => failedWith('DECISION_FAILED', 'bug'),
      producer: { send: () => new Promise<void>((resolve) => (written = resolve)) },
    });
    consumer.deliver([record({ at: 0 })]);
    await settle();
    const revoking = consumer.callbacks.onRevoking([PARTITION]);
    await settle();
    written();
    await revoking;
    expect(consumer.committed(PARTITION)).toBe(1n);
    expect(group.balance()).toMatchObject({ in: 1, deadLettered: 1, released: 0, inFlight: 0 });
  });

  it('that are lost already commits nothing and cuts off at once', async () => {
    const { handler, held, end } = heldHandler();
    const { group, consumer, clock } = await groupUnderTest({ handler });
    consumer.deliver([record({ at: 0, key: 'a' }), record({ at: 1, key: 'b' })]);
    await end(0);
    consumer.callbacks.onLost([PARTITION]);
    expect(held.get(1)!.context.signal.aborted).toBe(true);
    await clock.advance(1_000);
    expect(consumer.commits).toEqual([]);
    expect(group.balance()).toMatchObject({ in: 2, acked: 1, released: 1, inFlight: 0 });
  });

  it('that are lost while a commit hangs sends no later commit for them', async () => {
    const { handler, end } = heldHandler();
    const { consumer, clock } = await groupUnderTest({ handler });
    let answer = (_ours: boolean): void => undefined;
    const asked: bigint[] = [];
    consumer.onCommit = (positions) => {
      asked.push(...positions.map((position) => position.offset));
      return new Promise((resolve) => (answer = resolve));
    };
    consumer.deliver([record({ at: 0, key: 'a' }), record({ at: 1, key: 'b' })]);
    await end(0);
    await clock.advance(1_000);
    await end(1);
    const revoking = consumer.callbacks.onRevoking([PARTITION]);
    await settle();
    consumer.callbacks.onLost([PARTITION]);
    answer(false);
    await revoking;
    await clock.advance(1_000);
    expect(asked).toEqual([1n]);
  });

  it('leaves other partitions alone', async () => {
    const { handler, end } = heldHandler();
    const { consumer, clock } = await groupUnderTest({ handler }, [PARTITION, OTHER]);
    consumer.deliver([record({ at: 7, key: 'b', partition: 1 })]);
    consumer.callbacks.onLost([PARTITION]);
    await settle();
    await end(7);
    await clock.advance(1_000);
    expect(consumer.commits).toEqual([{ ...OTHER, offset: 8n }]);
  });

  it('happens once when the group stops: it drains, commits, leaves, and may be told twice', async () => {
    const { handler, end } = heldHandler();
    const { group, consumer } = await groupUnderTest({ handler });
    consumer.deliver([record({ at: 0, key: 'a' }), record({ at: 1, key: 'a' })]);
    await settle();
    const soft = new AbortController().signal;
    const stopping = Promise.all([group.stop(soft), group.stop(soft)]);
    await settle();
    expect(consumer.stopped).toBe(false);
    await end(0);
    await stopping;
    expect(consumer.stopped).toBe(true);
    expect(consumer.commits).toEqual([{ ...PARTITION, offset: 1n }]);
    expect(group.balance()).toMatchObject({ in: 2, acked: 1, released: 1, inFlight: 0 });
    expect(group.health()).toMatchObject([{ status: 'down', detail: 'stopped' }]);
  });

  it('is at once when the stop is hard', async () => {
    const { handler, held } = heldHandler();
    const { group, consumer } = await groupUnderTest({ handler });
    consumer.deliver([record({ at: 0 })]);
    await settle();
    const hard = new AbortController();
    const stopping = group.stop(hard.signal);
    await settle();
    hard.abort();
    await stopping;
    expect(held.get(0)!.context.signal.aborted).toBe(true);
    expect(consumer.stopped).toBe(true);
  });
});

describe('what a driver delivers twice', () => {
  it('is taken once while it is in hand', async () => {
    const { handler, end, held } = heldHandler();
    const { group, consumer } = await groupUnderTest({ handler });
    consumer.deliver([record({ at: 0, key: 'a' }), record({ at: 1, key: 'b' })]);
    await end(1);
    consumer.deliver([record({ at: 0, key: 'a' }), record({ at: 1, key: 'b' }), record({ at: 2, key: 'c' })]);
    await settle();
    expect([...held.keys()].sort()).toEqual([0, 1, 2]);
    expect(group.balance()).toMatchObject({ in: 3, acked: 1, inFlight: 2 });
  });

  it('is handled again from a rewound offset on, and committed from there', async () => {
    const { group, consumer, clock } = await groupUnderTest({ handler: async () => ACKED });
    consumer.deliver([record({ at: 100 }), record({ at: 101 })]);
    await clock.advance(1_000);
    consumer.deliver([record({ at: 0 }), record({ at: 1 })]);
    await clock.advance(1_000);
    expect(consumer.commits).toEqual([
      { ...PARTITION, offset: 102n },
      { ...PARTITION, offset: 2n },
    ]);
    expect(group.balance()).toMatchObject({ in: 4, acked: 4 });
  });

  it('is left alone when the partition is not ours', async () => {
    const { group, consumer } = await groupUnderTest({ handler: async () => ACKED });
    consumer.deliver([record({ at: 0, partition: 1 })]);
    expect(group.balance()).toMatchObject({ in: 0 });
  });
});

describe('back-pressure', () => {
  it('pauses a partition above its share of records and resumes it below half of it', async () => {
    const { handler, end } = heldHandler();
    const limits = { inFlightRecordsMax: 8, concurrencyMax: 100 };
    const { consumer } = await groupUnderTest({ handler, limits }, [PARTITION, OTHER]);
    consumer.deliver([0, 1, 2, 3].map((at) => record({ at, key: `k${at}` })));
    await settle();
    expect(consumer.paused.size).toBe(0);
    consumer.deliver([record({ at: 4, key: 'k4' })]);
    await settle();
    expect(consumer.paused).toEqual(new Set(['events.happened/0']));
    for (const at of [0, 1]) await end(at);
    expect(consumer.paused.size).toBe(1);
    await end(2);
    expect(consumer.paused.size).toBe(0);
  });

  it('counts bytes', async () => {
    const { handler } = heldHandler();
    const { consumer } = await groupUnderTest({ handler, limits: { inFlightBytesMax: 10_000 } });
    consumer.deliver([record({ at: 0, value: 'x'.repeat(11_000) })]);
    expect(consumer.paused.size).toBe(1);
  });

  it('bounds how far the newest record may run ahead of an unfinished one', async () => {
    const { handler, end } = heldHandler();
    const { consumer } = await groupUnderTest({ handler, limits: { spanMax: 10, inFlightRecordsMax: 1_000 } });
    for (let at = 0; at <= 10; at += 1) {
      consumer.deliver([record({ at, key: `k${at}` })]);
      await settle();
      if (at > 0) await end(at);
    }
    expect(consumer.paused.size).toBe(1);
    await end(0);
    expect(consumer.paused.size).toBe(0);
  });
});

describe('joining', () => {
  it('goes on behind the start, and the health is down until the group works', async () => {
    const consumer = new ScriptedConsumer();
    let joined = (): void => undefined;
    consumer.onStart = () => new Promise((resolve) => (joined = resolve));
    const { group } = await groupUnderTest({ handler: async () => ACKED }, [], consumer);
    expect(group.health()).toMatchObject([{ status: 'down', detail: 'joining its group' }]);
    joined();
    await settle();
    expect(group.health()).toMatchObject([{ status: 'ok' }]);
  });

  it('that can never succeed is fatal', async () => {
    const consumer = new ScriptedConsumer();
    consumer.onStart = async () => Promise.reject(new ClassifiedError('CONFIGURATION_INVALID', 'no such topic'));
    const { group, fatal } = await groupUnderTest({ handler: async () => ACKED }, [], consumer);
    await settle();
    expect(fatal.map(({ code }) => code)).toEqual(['CONFIGURATION_INVALID']);
    expect(group.health()).toMatchObject([{ status: 'down', detail: expect.stringContaining('CONFIGURATION_INVALID') }]);
    await group.stop(new AbortController().signal);
  });

  it('is over when the driver gives up: all is given back, and the health is down', async () => {
    const { handler } = heldHandler();
    const { group, consumer, fatal } = await groupUnderTest({ handler });
    consumer.deliver([record({ at: 0 })]);
    await settle();
    consumer.callbacks.onFatal(new ClassifiedError('CONFIGURATION_INVALID', 'not authorized'));
    expect(fatal).toHaveLength(1);
    expect(group.balance()).toMatchObject({ in: 1, released: 1, inFlight: 0 });
    expect(group.health()).toMatchObject([{ status: 'down' }]);
  });
});

describe('health', () => {
  it('is degraded when there is work and none gets done for a minute', async () => {
    const { handler } = heldHandler();
    const { group, consumer, clock } = await groupUnderTest({ handler, handlerTimeoutMs: 600_000 });
    await clock.advance(600_000);
    consumer.callbacks.onRecords(PARTITION, [record({ at: 0 })], offset(10n), offset(1n));
    await clock.advance(59_000);
    expect(group.health()).toMatchObject([{ name: 'processor.test', status: 'ok', facts: { lag: 10, in_flight: 1 } }]);
    await clock.advance(2_000);
    expect(group.health()).toMatchObject([{ status: 'degraded', detail: expect.stringContaining('10 records behind') }]);
  });

  it('is degraded when one partition stands, however fast the others go', async () => {
    const { end, handler } = heldHandler();
    const { group, consumer, clock } = await groupUnderTest({ handler, handlerTimeoutMs: 600_000 }, [PARTITION, OTHER]);
    consumer.callbacks.onRecords(OTHER, [record({ at: 1_000, partition: 1, key: 'stands' })], offset(1_003n), offset(1_001n));
    for (let at = 0; at < 70; at += 1) {
      consumer.callbacks.onRecords(PARTITION, [record({ at, key: 'goes' })], offset(BigInt(at + 2)), offset(BigInt(at + 1)));
      await end(at);
      if (at === 50) expect(group.health()).toMatchObject([{ status: 'ok' }]);
      await clock.advance(1_000);
    }
    const detail = 'events.happened/1 is 3 records behind and has made no progress for 70 s';
    expect(group.health()).toMatchObject([{ status: 'degraded', detail, facts: { lag: 4, seconds_since_progress: 70 } }]);
    await end(1_000);
    expect(group.health()).toMatchObject([{ status: 'ok' }]);
  });

  it('has no lag, and commits to the end, when what is left of the log holds no record', async () => {
    const { group, consumer, clock } = await groupUnderTest({ handler: async () => ACKED });
    consumer.deliver([record({ at: 0 })], 2n);
    await clock.advance(2_000);
    expect(group.health()).toMatchObject([{ facts: { lag: 1 } }]);
    consumer.callbacks.onRecords(PARTITION, [], offset(2n), offset(2n));
    await clock.advance(600_000);
    expect(group.health()).toMatchObject([{ status: 'ok', facts: { lag: 0 } }]);
    expect(consumer.committed(PARTITION)).toBe(2n);
  });
});
