import { describe, expect, it } from 'vitest';
import type { Dependency } from '../../core/dependency.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { MetricName, Metrics } from '../../core/metrics.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import type { Header } from '../../core/record.ts';
import { headerText } from '../../core/record.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { ACKED, failedWith, groupUnderTest } from '../../test/support/group-under-test.ts';
import { InMemoryParkedRecords } from '../../test/support/in-memory-parked-records.ts';
import { ManualClock, settle } from '../../test/support/manual-clock.ts';
import { ScriptedConsumer } from '../../test/support/scripted-consumer.ts';
import type { ConsumerGroupOptions } from './consumer-group-options.ts';
import type { EventHandler } from './event-handler.ts';

const PARTITION = { topic: 'events.happened', partition: 0 };
const OTHER = { topic: 'events.happened', partition: 1 };
const COMPENSATION = { topic: 'events.compensated', partition: 0 };
const record = consumedRecord;
const FAILED = failedWith('CALL_FAILED', 'no');

/** Remembers what it handled, and answers by offset; acked when nothing is said. */
function scripted(answers: Readonly<Record<number, HandlerResult>> = {}) {
  const handled: string[] = [];
  const handler: EventHandler = async ({ aggregateId }, { offset, attempt }) => {
    handled.push(`${aggregateId}${offset}#${attempt}`);
    return answers[Number(offset)] ?? ACKED;
  };
  return { handled, handler, answers: answers as Record<number, HandlerResult> };
}

/** Closed until it is opened. */
function gate() {
  let open: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open: () => open() };
}

function keyed(key: string, ...offsets: number[]) {
  return offsets.map((at) => record({ at, key }));
}

describe('a record that fails', () => {
  it('leaves as retried when its row is durable, with its key behind it, and its offset is committed', async () => {
    const { handled, handler } = scripted({ 0: FAILED });
    const { group, consumer, clock, parked } = await groupUnderTest({ handler });
    consumer.deliver([...keyed('a', 0, 1), ...keyed('b', 2)]);
    await clock.advance(1_000);
    expect(handled).toEqual(['a0#1', 'b2#1']);
    expect(parked.rows).toMatchObject([
      { lane: 'a', attempts: 1, blocked: false, error: { code: 'CALL_FAILED' }, record: { offset: 0n }, event: { type: 'Happened' } },
      { lane: 'a', attempts: 0, delayMs: 0, record: { offset: 1n } },
    ]);
    expect(group.balance()).toMatchObject({ in: 3, acked: 1, retried: 2, inFlight: 0 });
    expect(consumer.committed(PARTITION)).toBe(3n);
  });

  it('is not past while the store is away: its offset waits, no attempt is used up, others go on', async () => {
    const { handled, handler } = scripted({ 0: FAILED });
    const { group, consumer, clock, parked, letters } = await groupUnderTest({ handler });
    parked.away = true;
    consumer.deliver([...keyed('a', 0, 1), ...keyed('b', 2)]);
    await clock.advance(600_000);
    expect(handled).toEqual(['a0#1', 'b2#1']);
    expect(consumer.commits).toEqual([]);
    expect(letters).toEqual([]);
    expect(group.health()).toMatchObject([{ status: 'degraded', detail: expect.stringContaining('POSTGRES_UNAVAILABLE') }]);
    parked.away = false;
    await clock.advance(11_000);
    expect(consumer.committed(PARTITION)).toBe(3n);
    expect(group.balance()).toMatchObject({ acked: 1, inFlight: 0, released: 0 });
    await clock.advance(11_000);
    expect(handled).toEqual(['a0#1', 'b2#1', 'a0#2']);
  });

  it('with a thousand behind it costs a few writes, and they are handled in their order when it succeeds', async () => {
    const { handled, handler, answers } = scripted({ 0: FAILED });
    const { group, consumer, clock, parked } = await groupUnderTest({
      handler,
      // As a server would, the store takes a turn of the event loop.
      failpoint: (label) => (label === 'before-park' ? settle() : Promise.resolve()),
    });
    consumer.deliver(keyed('a', ...Array.from({ length: 1_001 }, (_, at) => at)));
    await clock.advance(1_000);
    expect(parked.rows).toHaveLength(1_001);
    expect(parked.writes.length).toBeLessThan(10);
    answers[0] = ACKED;
    consumer.deliver(keyed('a', 1_001));
    await clock.advance(10_000);
    consumer.deliver(keyed('a', 1_002));
    await settle();
    expect(handled.slice(1)).toEqual(Array.from({ length: 1_003 }, (_, at) => (at === 0 ? 'a0#2' : `a${at}#1`)));
    expect(parked.rows).toEqual([]);
    expect(group.balance()).toMatchObject({ acked: 1_003, inFlight: 0 });
  });

  it('waits for an outage without a further attempt, and never parks for it', async () => {
    const { handled, handler, answers } = scripted({ 0: FAILED });
    const { consumer, clock, parked, letters } = await groupUnderTest({ handler });
    consumer.deliver(keyed('a', 0));
    await clock.advance(9_000);
    answers[0] = failedWith('POSTGRES_UNAVAILABLE', 'away');
    await clock.advance(600_000);
    expect(parked.rows).toMatchObject([{ attempts: 1 }]);
    expect(new Set(handled)).toEqual(new Set(['a0#1', 'a0#2']));
    answers[0] = ACKED;
    await clock.advance(11_000);
    expect(parked.rows).toEqual([]);
    expect(letters).toEqual([]);
  });

  it('opens no further lane when too many keys wait, and intake waits instead', async () => {
    const { handled, handler, answers } = scripted({ 0: FAILED, 1: FAILED, 2: FAILED });
    const { group, consumer, clock, parked, letters } = await groupUnderTest({ handler, limits: { parkedKeysMax: 2 } });
    consumer.deliver([...keyed('a', 0), ...keyed('b', 1), ...keyed('c', 2)]);
    await clock.advance(9_000);
    expect(parked.rows).toHaveLength(2);
    // It is tried like a probe, ever more seldom.
    expect(handled.filter((one) => one.startsWith('c')).length).toBeLessThan(10);
    expect(group.health()).toMatchObject([{ status: 'degraded', detail: expect.stringContaining('PARKING_FULL') }]);
    answers[2] = ACKED;
    await clock.advance(20_000);
    expect(consumer.paused.size).toBe(0);
    expect(letters).toEqual([]);
    expect(group.balance()).toMatchObject({ acked: 1, inFlight: 0 });
  });
});

describe('an outage of what only some records need', () => {
  const CLASSIFIER = {
    calls: new Map<string, Dependency>([['Happened', 'classifier']]),
    wanted: new Set(['Happened', 'Stored']),
    known: new Set(['Happened', 'Stored']),
  };
  const AWAY = failedWith('CALL_UNAVAILABLE', 'away', { dependency: 'classifier' });
  const BROKEN = failedWith('HANDLER_FAILED', 'no');

  it('does not keep a record from being parked behind its key, nor what is parked there from its retry', async () => {
    const { handled, handler, answers } = scripted({ 0: BROKEN, 1: AWAY });
    const { group, consumer, clock, parked } = await groupUnderTest({ ...CLASSIFIER, handler });
    consumer.deliver([record({ at: 0, key: 'a', type: 'Stored' }), record({ at: 1, key: 'b' })]);
    await clock.advance(1_000);
    expect(group.health()).toMatchObject([{ facts: { breaker_classifier: 'open', waiting: 1 } }]);
    consumer.deliver([record({ at: 2, key: 'a' })]);
    await settle();
    expect(parked.rows.map((row) => row.record.offset)).toEqual([0n, 2n]);
    answers[0] = ACKED;
    await clock.advance(10_000);
    expect(handled).toContain('a0#2');
    expect(handled).not.toContain('a2#1');
    answers[1] = ACKED;
    await clock.advance(60_000);
    expect(handled).toContain('a2#1');
    expect(group.balance()).toMatchObject({ acked: 3, inFlight: 0 });
  });

  it('leaves their places to retries that do not need it', async () => {
    const { handled, handler, answers } = scripted(Object.fromEntries([0, 1, 2, 3, 4, 5].map((at) => [at, BROKEN])));
    const { group, consumer, clock, parked } = await groupUnderTest({ ...CLASSIFIER, handler, limits: { concurrencyMax: 2 } });
    consumer.deliver([0, 1, 2, 3, 4].map((at) => record({ at, key: `k${at}` })));
    await clock.advance(1_000);
    consumer.deliver([record({ at: 5, key: 'stored', type: 'Stored' }), record({ at: 6, key: 'stored', type: 'Stored' })]);
    await clock.advance(1_000);
    expect(parked.rows).toHaveLength(7);
    for (const at of [0, 1, 2, 3, 4]) answers[at] = AWAY;
    answers[5] = ACKED;
    await clock.advance(30_000);
    expect(handled).toEqual(expect.arrayContaining(['stored5#2', 'stored6#1']));
    for (const at of [0, 1, 2, 3, 4]) answers[at] = ACKED;
    await clock.advance(120_000);
    expect(parked.rows).toEqual([]);
    expect(group.balance()).toMatchObject({ acked: 7, deadLettered: 0, inFlight: 0 });
  });
});

it('says that records cannot be parked as long as that is so, whatever else the store answers', async () => {
  const { handler } = scripted({ 0: FAILED });
  let away = true;
  const lines: string[] = [];
  const write = (_fields: unknown, text: string): void => void lines.push(text);
  const logger = { ...SILENT_LOGGER, info: write, warn: write, child: () => logger };
  const { group, consumer, clock } = await groupUnderTest({
    handler,
    logger,
    failpoint: async (label) => {
      if (away && label === 'before-park') throw new ClassifiedError('POSTGRES_UNAVAILABLE', 'read only');
    },
  });
  consumer.deliver(keyed('a', 0));
  for (let look = 0; look < 10; look += 1) {
    await clock.advance(3_000);
    expect(group.health()).toMatchObject([{ status: 'degraded', detail: expect.stringContaining('records cannot be parked') }]);
  }
  away = false;
  await clock.advance(20_000);
  expect(group.health()).toMatchObject([{ status: 'ok' }]);
  expect(lines.filter((line) => line.startsWith('records cannot be parked'))).toHaveLength(1);
  expect(lines.filter((line) => line === 'parked records can be reached again')).toHaveLength(1);
});

describe('what the store refuses to keep', () => {
  const code = (headers: readonly Header[]) => headerText(headers, 'dlt-error-code');
  /** No bigint holds its timestamp. */
  const odd = (at: number, key: string) => ({ ...record({ at, key }), timestampMs: 2 ** 63 });

  it('leaves by the dead letters with a code of its own, and what waits beside and behind it is parked', async () => {
    const { handled, handler, answers } = scripted({ 0: FAILED, 3: FAILED });
    const { group, consumer, clock, parked, letters } = await groupUnderTest({ handler });
    consumer.deliver([...keyed('a', 0), odd(1, 'a'), ...keyed('a', 2), ...keyed('b', 3), ...keyed('c', 4)]);
    await clock.advance(1_000);
    expect(parked.rows.map(({ record: { offset } }) => Number(offset)).sort()).toEqual([0, 2, 3]);
    expect(letters.map(({ headers }) => [headerText(headers, 'dlt-original-offset'), code(headers)])).toEqual([['1', 'PARKING_REFUSED']]);
    expect(consumer.committed(PARTITION)).toBe(5n);
    expect(group.health()).toMatchObject([{ status: 'ok' }]);
    Object.assign(answers, { 0: ACKED, 3: ACKED });
    await clock.advance(10_000);
    consumer.deliver(keyed('a', 5));
    await settle();
    expect(handled.filter((one) => one.startsWith('a'))).toEqual(['a0#1', 'a0#2', 'a2#1', 'a5#1']);
    expect(group.balance()).toMatchObject({ deadLettered: 1, inFlight: 0, released: 0 });
  });

  it('keeps its offset until its letter is durable, and what comes behind it in its lane is not parked before: after a crash it would come first', async () => {
    const { handler } = scripted({ 0: FAILED });
    let away = true;
    const { consumer, clock, parked } = await groupUnderTest({
      handler,
      producer: { send: () => (away ? Promise.reject(new Error('away')) : Promise.resolve()) },
    });
    consumer.deliver([...keyed('a', 0), odd(1, 'a'), ...keyed('a', 2)]);
    await clock.advance(5_000);
    expect(consumer.committed(PARTITION)).toBe(1n);
    expect(parked.rows.map(({ record: { offset } }) => offset)).toEqual([0n]);
    away = false;
    await clock.advance(10_000);
    expect(consumer.committed(PARTITION)).toBe(3n);
    expect(parked.rows.map(({ record: { offset } }) => offset)).toEqual([0n, 2n]);
  });

  it('while its partition is taken away is let through with its letter, and its offset is committed', async () => {
    const { handler } = scripted({ 0: FAILED });
    const [atStore, atTopic] = [gate(), gate()];
    const { group, consumer, clock, letters } = await groupUnderTest({
      handler,
      failpoint: async (label) => {
        if (label === 'before-park') await atStore.passed;
        if (label === 'before-dead-letter') await atTopic.passed;
      },
    });
    consumer.deliver([odd(0, 'a')]);
    await settle();
    const revoking = consumer.callbacks.onRevoking([PARTITION]);
    atStore.open();
    await settle();
    await settle();
    expect(group.balance()).toMatchObject({ released: 0, inFlight: 1 });
    atTopic.open();
    await clock.advance(1);
    await revoking;
    expect(letters).toHaveLength(1);
    expect(consumer.committed(PARTITION)).toBe(1n);
    expect(group.balance()).toMatchObject({ deadLettered: 1, released: 0, inFlight: 0 });
  });

  it('and is put in front of a record whose letter is on its way leaves that one its one letter', async () => {
    const { handler, answers } = scripted({ 0: FAILED });
    const [atStore, atTopic] = [gate(), gate()];
    let parks = 0;
    const sent: string[] = [];
    const { group, consumer, clock } = await groupUnderTest(
      {
        handler,
        failpoint: async (label) => {
          if (label === 'before-park' && (parks += 1) > 1) await atStore.passed;
        },
        producer: {
          send: async ([letter]) => {
            sent.push(letter!.topic);
            if (letter!.topic.startsWith(PARTITION.topic)) await atTopic.passed;
          },
        },
      },
      [PARTITION, COMPENSATION],
    );
    consumer.deliver(keyed('a', 0));
    await clock.advance(1_000);
    consumer.deliver([{ ...odd(0, 'a'), topic: COMPENSATION.topic }]);
    answers[0] = failedWith('DECISION_FAILED', 'bug');
    await clock.advance(11_000);
    expect(sent).toEqual([`${PARTITION.topic}.processor.test.dlt`]);
    atStore.open();
    await clock.advance(1_000);
    expect(group.balance()).toMatchObject({ deadLettered: 1, inFlight: 1 });
    atTopic.open();
    await clock.advance(1_000);
    expect(sent).toEqual([PARTITION, COMPENSATION].map(({ topic }) => `${topic}.processor.test.dlt`));
    expect(group.balance()).toMatchObject({ deadLettered: 2, inFlight: 0 });
  });

  it.each(['continue', 'block'] as const)('of an attempt at a parked record ends it the same way, with policy %s', async (giveUp) => {
    const { handled, handler, answers } = scripted({ 0: FAILED });
    const { group, consumer, clock, parked, letters } = await groupUnderTest({ handler, giveUp });
    consumer.deliver(keyed('a', 0, 1));
    await clock.advance(1_000);
    answers[0] = failedWith('CALL_FAILED', 'with\0nul');
    await clock.advance(10_000);
    expect(letters.map(({ headers }) => code(headers))).toEqual(['PARKING_REFUSED']);
    expect(handled).toEqual(['a0#1', 'a0#2', 'a1#1']);
    expect(parked.rows).toEqual([]);
    expect(group.balance()).toMatchObject({ deadLettered: 1, acked: 1, inFlight: 0 });
  });

  it('cannot block its key, and its letter is durable all the same', async () => {
    const { handled, handler } = scripted({ 0: failedWith('DECISION_FAILED', 'bug') });
    const { group, consumer, clock, parked, letters } = await groupUnderTest({ handler, giveUp: 'block' });
    consumer.deliver([odd(0, 'a'), ...keyed('a', 1)]);
    await clock.advance(5_000);
    expect(letters).toHaveLength(1);
    expect(parked.rows).toEqual([]);
    expect(handled).toEqual(['a0#1', 'a1#1']);
    expect(group.balance()).toMatchObject({ acked: 1, deadLettered: 1, inFlight: 0 });
  });
});

describe('when too many keys wait', () => {
  it('those that wait come back as they are due, also while a further key fails for ever', async () => {
    const { handled, handler, answers } = scripted({ 0: FAILED, 1: FAILED, 2: FAILED });
    const { group, consumer, clock, parked, letters } = await groupUnderTest({ handler, limits: { parkedKeysMax: 2 } });
    consumer.deliver([...keyed('a', 0), ...keyed('b', 1), ...keyed('c', 2)]);
    await clock.advance(9_000);
    expect(parked.rows).toHaveLength(2);
    Object.assign(answers, { 0: ACKED, 1: ACKED });
    await clock.advance(3_600_000);
    expect(handled).toEqual(expect.arrayContaining(['a0#2', 'b1#2']));
    expect(letters).toMatchObject([{}]);
    expect(consumer.paused.size).toBe(0);
    expect(group.balance()).toMatchObject({ acked: 2, deadLettered: 1, inFlight: 0 });
  });
});

describe('a lane that waits', () => {
  it('is handled again when it is due, and costs no timer meanwhile', async () => {
    const { handled, handler, answers } = scripted({ 0: FAILED });
    const { consumer, clock } = await groupUnderTest({ handler, parkedLookMs: 3_600_000 });
    consumer.deliver(keyed('a', 0));
    await clock.advance(9_999);
    expect(handled).toEqual(['a0#1']);
    answers[0] = ACKED;
    await clock.advance(1);
    expect(handled).toEqual(['a0#1', 'a0#2']);
  });

  it('lets a live record of its key pass only after its last parked one', async () => {
    const ends: (() => void)[] = [];
    const handled: string[] = [];
    let fails = true;
    const { consumer, clock, group } = await groupUnderTest({
      handler: async (_event, { offset }) => {
        handled.push(`begin ${offset}`);
        if (fails) return FAILED;
        await new Promise<void>((resolve) => ends.push(resolve));
        handled.push(`end ${offset}`);
        return ACKED;
      },
    });
    consumer.deliver(keyed('a', 0, 1));
    await clock.advance(9_000);
    fails = false;
    await clock.advance(2_000);
    for (let at = 2; at < 6; at += 1) {
      consumer.deliver(keyed('a', at));
      await settle();
      ends.shift()?.();
      await settle();
    }
    for (let round = 0; round < 10; round += 1) {
      ends.shift()?.();
      await settle();
    }
    expect(handled.slice(1)).toEqual([0, 1, 2, 3, 4, 5].flatMap((at) => [`begin ${at}`, `end ${at}`]));
    expect(group.balance().inFlight).toBe(0);
  });

  it('is read again for what was on its way when it was read', async () => {
    let arrive = (): void => undefined;
    let end = (): void => undefined;
    let parks = 0;
    const handled: bigint[] = [];
    const { consumer, clock, parked } = await groupUnderTest({
      handler: async (_event, { offset, attempt }) => {
        handled.push(offset);
        if (offset > 0n) return ACKED;
        if (attempt === 1) return FAILED;
        await new Promise<void>((resolve) => (end = resolve));
        return ACKED;
      },
      failpoint: async (label) => {
        if (label === 'before-park' && (parks += 1) === 2) await new Promise<void>((resolve) => (arrive = resolve));
      },
    });
    consumer.deliver(keyed('a', 0));
    await clock.advance(1_000);
    consumer.deliver(keyed('a', 1));
    await clock.advance(9_000);
    expect(handled).toEqual([0n, 0n]);
    arrive();
    await settle();
    expect(parked.rows).toHaveLength(2);
    end();
    await clock.advance(1);
    consumer.deliver(keyed('a', 2));
    await settle();
    expect(handled).toEqual([0n, 0n, 1n, 2n]);
    expect(parked.rows).toEqual([]);
  });

  it('that is given up continues behind its dead letter, which is durable before', async () => {
    const { handled, handler } = scripted({ 0: FAILED });
    let letterIsDurable = (): void => undefined;
    const { group, consumer, clock, parked } = await groupUnderTest({
      handler,
      retryPolicy: { delaysMs: [1_000], jitter: 0 },
      producer: { send: () => new Promise<void>((resolve) => (letterIsDurable = resolve)) },
    });
    consumer.deliver(keyed('a', 0, 1));
    await clock.advance(2_000);
    expect(handled).toEqual(['a0#1', 'a0#2']);
    expect(parked.rows).toHaveLength(2);
    letterIsDurable();
    await clock.advance(1_000);
    expect(handled).toEqual(['a0#1', 'a0#2', 'a1#1']);
    expect(parked.rows).toEqual([]);
    expect(group.balance()).toMatchObject({ in: 4, acked: 1, deadLettered: 1, retried: 2, inFlight: 0 });
  });
});

describe('a blocked key', () => {
  const options: Partial<ConsumerGroupOptions> = { giveUp: 'block', retryPolicy: { delaysMs: [1_000], jitter: 0 } };

  it('waits behind its dead letter, and is told in health and metrics, until an operator retries it', async () => {
    const { handled, handler, answers } = scripted({ 0: FAILED });
    const gauges = new Map<MetricName, number>();
    const metrics: Metrics = { count: () => undefined, observe: () => undefined, gauge: (name, _labels, value) => gauges.set(name, value) };
    const { group, consumer, clock, parked, letters } = await groupUnderTest({ handler, metrics, ...options });
    consumer.deliver([...keyed('a', 0, 1), ...keyed('b', 2)]);
    await clock.advance(3_600_000);
    expect(handled).toEqual(['a0#1', 'b2#1', 'a0#2']);
    expect(letters.map(({ headers }) => headerText(headers, 'dlt-original-offset'))).toEqual(['0']);
    expect(parked.rows).toMatchObject([{ blocked: true, attempts: 2 }, { blocked: false }]);
    expect(gauges.get('millrace_blocked_keys')).toBe(1);
    expect(gauges.get('millrace_parked_records')).toBe(2);
    expect(group.health()).toMatchObject([
      { status: 'degraded', detail: expect.stringMatching(/^1 key is blocked, the first for 60 min/) },
    ]);
    answers[0] = ACKED;
    parked.change((rows) => rows.map((row) => ({ ...row, blocked: false, attempts: 0 })));
    await clock.advance(5_000);
    expect(handled.slice(3)).toEqual(['a0#1', 'a1#1']);
    await clock.advance(5_000);
    expect(gauges.get('millrace_blocked_keys')).toBe(0);
    expect(group.health()).toMatchObject([{ status: 'ok', facts: { parked: 0, blocked_keys: 0 } }]);
    expect(letters).toHaveLength(1);
  });

  it('goes on without its record when an operator discards it', async () => {
    const { handled, handler } = scripted({ 0: FAILED });
    const { consumer, clock, parked } = await groupUnderTest({ handler, ...options });
    consumer.deliver(keyed('a', 0, 1));
    await clock.advance(10_000);
    parked.change((rows) => rows.filter((row) => !row.blocked));
    await clock.advance(5_000);
    expect(handled).toEqual(['a0#1', 'a0#2', 'a1#1']);
    consumer.deliver(keyed('a', 2));
    await settle();
    expect(handled).toContain('a2#1');
  });

  it('is blocked by poison too, but not by what is no event', async () => {
    const { handled, handler } = scripted({ 0: failedWith('DECISION_FAILED', 'bug') });
    const { group, consumer, clock, parked, letters } = await groupUnderTest({ handler, ...options });
    const stranger = { ...record({ at: 2, key: 'b' }), headers: [] };
    consumer.deliver([...keyed('a', 0, 1), stranger, record({ at: 3, key: 'b' })]);
    await clock.advance(1_000);
    expect(handled).toEqual(['a0#1', 'b3#1']);
    expect(letters).toHaveLength(2);
    expect(parked.rows.map(({ record: { offset }, blocked }) => [offset, blocked])).toEqual([
      [0n, true],
      [1n, false],
    ]);
    expect(group.balance()).toMatchObject({ in: 4, acked: 1, deadLettered: 2, retried: 1, inFlight: 0 });
    expect(consumer.committed(PARTITION)).toBe(4n);
  });
});

describe('what somebody else puts there', () => {
  it('is handled within seconds, behind what waits of its key, and holds the key meanwhile', async () => {
    const { handled, handler } = scripted({ 5: FAILED });
    const { consumer, clock, parked } = await groupUnderTest({ handler });
    const replay = (at: number, key: string) => {
      parked.change((rows) => rows);
      parked.insert({
        lane: key,
        record: record({ at, key }),
        attempts: 0,
        delayMs: 0,
        blocked: false,
        firstFailedAtMs: undefined,
        error: { code: 'HANDLER_FAILED', message: 'replayed' },
        event: undefined,
      });
    };
    consumer.deliver(keyed('a', 5));
    await clock.advance(1_000);
    replay(1, 'a');
    replay(2, 'b');
    await clock.advance(4_000);
    expect(handled).toEqual(['a5#1', 'b2#1']);
    await clock.advance(400_000);
    expect(handled.slice(2)).toEqual(['a5#2', 'a5#3', 'a5#4', 'a1#1']);
    expect(parked.rows).toEqual([]);
  });
});

describe('a letter that is given back while its record is still being taken for given up', () => {
  it.each(['continue', 'block'] as const)('lets the record be handled again, with policy %s', async (giveUp) => {
    const { handled, handler, answers } = scripted({ 0: FAILED });
    const world = await groupUnderTest({
      handler: (event, context) => {
        // The store goes away in the last attempt: what follows from the letter cannot be written down.
        world.parked.away = context.attempt === 2;
        return handler(event, context);
      },
      giveUp,
      retryPolicy: { delaysMs: [1_000], jitter: 0 },
    });
    const { group, consumer, clock, parked, letters } = world;
    consumer.deliver(keyed('a', 0, 1));
    await clock.advance(2_000);
    expect(letters).toHaveLength(1);
    const [row] = parked.rows;
    parked.giveBack({ ...row!, attempts: 0, delayMs: 0, blocked: false });
    answers[0] = ACKED;
    parked.away = false;
    await clock.advance(30_000);
    expect(handled).toEqual(expect.arrayContaining(['a0#1', 'a0#2', 'a0#1', 'a1#1']));
    expect(handled.filter((one) => one === 'a0#1')).toHaveLength(2);
    expect(parked.rows).toEqual([]);
    expect(group.balance()).toMatchObject({ deadLettered: 1, acked: 2, inFlight: 0 });
  });
});

describe('an event that overtakes', () => {
  it('is handled although its key waits, waits for its own kind, and holds back nobody', async () => {
    const { handled, handler, answers } = scripted({ 0: FAILED, 10: FAILED });
    const { consumer, clock, parked } = await groupUnderTest({ handler, overtakingTopics: new Set([COMPENSATION.topic]) }, [
      PARTITION,
      COMPENSATION,
    ]);
    consumer.deliver(keyed('a', 0));
    await settle();
    const compensations = [10, 11].map((at) => record({ at, key: 'a', topic: COMPENSATION.topic }));
    consumer.deliver(compensations);
    consumer.deliver(keyed('a', 1));
    await clock.advance(1_000);
    expect(handled).toEqual(['a0#1', 'a10#1']);
    const own = `a\0${COMPENSATION.topic}`;
    expect(parked.rows.map(({ lane }) => lane).sort()).toEqual(['a', 'a', own, own]);
    answers[10] = ACKED;
    await clock.advance(10_000);
    expect(handled.slice(2).sort()).toEqual(['a0#2', 'a10#2', 'a11#1']);
    expect(handled.indexOf('a11#1')).toBeGreaterThan(handled.indexOf('a10#2'));
    expect(parked.rows.map(({ lane, record: { offset } }) => [lane, offset])).toEqual([
      ['a', 0n],
      ['a', 1n],
    ]);
  });
});

describe('a partition that comes', () => {
  it('begins none of its records before it is known what waits for it, however long that takes', async () => {
    const { handled, handler } = scripted();
    const clock = new ManualClock();
    const parked = new InMemoryParkedRecords(clock);
    parked.away = true;
    const consumer = new ScriptedConsumer();
    const { group } = await groupUnderTest({ handler, parked }, [PARTITION, OTHER], consumer, clock);
    consumer.deliver([...keyed('a', 0), ...keyed('b', 1)]);
    consumer.deliver([record({ at: 0, key: 'c', partition: 1 })]);
    await clock.advance(60_000);
    expect(handled).toEqual([]);
    expect(group.health()).toMatchObject([{ status: 'degraded', detail: expect.stringContaining('records cannot be parked') }]);
    await consumer.callbacks.onRevoking([OTHER]);
    parked.away = false;
    await clock.advance(11_000);
    expect(handled).toEqual(['a0#1', 'b1#1']);
    expect(group.balance()).toMatchObject({ in: 3, acked: 2, released: 1, inFlight: 0 });
  });

  it('brings its parked records along: they are handled by the new owner when they are due, before what comes live', async () => {
    const clock = new ManualClock();
    const parked = new InMemoryParkedRecords(clock);
    const first = scripted({ 0: FAILED });
    const before = await groupUnderTest({ handler: first.handler, parked }, [PARTITION], new ScriptedConsumer(), clock);
    before.consumer.deliver(keyed('a', 0, 1));
    await clock.advance(4_000);
    await before.group.stop(new AbortController().signal);
    expect(before.consumer.committed(PARTITION)).toBe(2n);
    const second = scripted();
    const after = await groupUnderTest({ handler: second.handler, parked }, [PARTITION], new ScriptedConsumer(), clock);
    after.consumer.deliver(keyed('a', 2));
    await clock.advance(5_000);
    expect(second.handled).toEqual([]);
    await clock.advance(2_000);
    expect(second.handled).toEqual(['a0#2', 'a1#1', 'a2#1']);
    expect(parked.rows).toEqual([]);
    expect(after.group.balance()).toMatchObject({ in: 4, acked: 3, retried: 1, inFlight: 0 });
  });

  it('is parked once what is delivered again, because its offset was not committed', async () => {
    const clock = new ManualClock();
    const parked = new InMemoryParkedRecords(clock);
    const first = scripted({ 0: FAILED });
    const before = await groupUnderTest({ handler: first.handler, parked }, [PARTITION], new ScriptedConsumer(), clock);
    before.consumer.onCommit = async () => false;
    before.consumer.deliver(keyed('a', 0, 1));
    await clock.advance(4_000);
    before.consumer.callbacks.onLost([PARTITION]);
    const second = scripted();
    const after = await groupUnderTest({ handler: second.handler, parked }, [PARTITION], new ScriptedConsumer(), clock);
    after.consumer.deliver(keyed('a', 0, 1));
    await clock.advance(4_000);
    expect(second.handled).toEqual([]);
    expect(parked.rows.map(({ record: { offset }, attempts }) => [offset, attempts])).toEqual([
      [0n, 1],
      [1n, 0],
    ]);
    await clock.advance(4_000);
    expect(second.handled).toEqual(['a0#2', 'a1#1']);
    expect(after.consumer.committed(PARTITION)).toBe(2n);
  });

  it('leaves no memory behind when it goes, and what runs of it is cut off', async () => {
    const { handler, answers, handled } = scripted({ 0: FAILED });
    const { group, consumer, clock, parked } = await groupUnderTest({ handler }, [PARTITION, OTHER]);
    consumer.deliver(keyed('a', 0));
    await clock.advance(4_000);
    consumer.callbacks.onLost([PARTITION]);
    answers[0] = ACKED;
    await clock.advance(600_000);
    expect(handled).toEqual(['a0#1']);
    expect(parked.rows).toHaveLength(1);
    expect(group.health()).toMatchObject([{ status: 'ok', facts: { parked: 0 } }]);
    // The same key from another partition is nobody's follower any more.
    consumer.deliver([record({ at: 7, key: 'a', partition: 1 })]);
    await settle();
    expect(handled).toEqual(['a0#1', 'a7#1']);
  });

  it.each(['taken away', 'lost'] as const)(
    'holds up nobody of its keys once it is %s: a record of another partition does not wait for its due time',
    async (how) => {
      const { handler, handled } = scripted({ 0: FAILED });
      const { consumer, clock, parked } = await groupUnderTest({ handler }, [PARTITION, OTHER]);
      consumer.deliver(keyed('a', 0));
      await clock.advance(100);
      expect(parked.rows).toHaveLength(1);
      if (how === 'lost') consumer.callbacks.onLost([PARTITION]);
      else await consumer.callbacks.onRevoking([PARTITION]);
      consumer.deliver([record({ at: 7, key: 'a', partition: 1 })]);
      await settle();
      expect(handled).toEqual(['a0#1', 'a7#1']);
      expect(parked.rows).toHaveLength(1);
    },
  );

  it('that is taken away while a record is being parked lets it be parked first, and commits', async () => {
    const { handler } = scripted({ 0: FAILED });
    let reached = (): void => undefined;
    const { group, consumer, parked, clock } = await groupUnderTest({
      handler,
      failpoint: (label) => (label === 'before-park' ? new Promise<void>((resolve) => (reached = resolve)) : Promise.resolve()),
    });
    consumer.deliver(keyed('a', 0, 1));
    await settle();
    const revoking = consumer.callbacks.onRevoking([PARTITION]);
    await settle();
    expect(parked.rows).toEqual([]);
    reached();
    await settle();
    reached();
    await clock.advance(1);
    await revoking;
    expect(parked.rows.length).toBeGreaterThanOrEqual(1);
    expect(group.balance()).toMatchObject({ in: 2, inFlight: 0 });
    expect(consumer.committed(PARTITION)).toBe(BigInt(parked.rows.length));
  });
});

it('payloads reach no log line, whatever happens to their record', async () => {
  const lines: string[] = [];
  const write = (...parts: unknown[]): void =>
    void lines.push(JSON.stringify(parts, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)));
  const logger = { ...SILENT_LOGGER, debug: write, info: write, warn: write, error: write, child: () => logger };
  const { handler } = scripted({ 0: FAILED });
  const { consumer, clock, parked } = await groupUnderTest({ handler, logger });
  consumer.deliver([record({ at: 0, value: { text: 'secret-text' } })]);
  parked.away = true;
  await clock.advance(2_000);
  parked.away = false;
  await clock.advance(400_000);
  expect(lines.length).toBeGreaterThan(2);
  expect(lines.join('\n')).not.toMatch(/secret-text/);
});
