import { describe, expect, it } from 'vitest';
import type { Calls } from '../../core/calls.ts';
import type { AggregateDefinition, Decision, NewEvent, ProcessorDefinition, Reaction, StateChange } from '../../core/define.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { offset } from '../../core/offset.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import type { Cause, FlowStep, UnitOfWork, UnitOfWorkTransaction } from '../../core/unit-of-work.ts';
import { imageRegistered } from '../../schemas/catalogue.ts';
import { arrived } from '../../test/support/arrived.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import type { CallOptions } from '../calls/call-runner.ts';
import { commitStep } from '../postgres/steps/commit-step.ts';
import type { HandlerContext } from './event-handler.ts';
import { createReactionHandler } from './reaction-handler.ts';

const aggregate: AggregateDefinition<unknown> = { type: 'thing', initial: () => ({}), evolve: (state) => state, tables: () => [] };
const event = arrived(imageRegistered, { image_id: 'i1', user_id: 'u1', cdn_url: 'https://cdn.example/1' });

/** What a domain's database would hold, committed only when the work succeeds. */
class RecordingUnitOfWork implements UnitOfWork {
  readonly domain = 'test';
  readonly causes: Cause[] = [];
  readonly inbox = new Map<string, FlowStep | undefined>();
  readonly outcomes: Pick<Decision, 'result' | 'step'>[] = [];
  readonly appended: NewEvent[] = [];
  readonly changed: StateChange[] = [];
  inTransaction = false;
  failWith: Error | undefined;

  async run<T>(cause: Cause, work: (tx: UnitOfWorkTransaction) => Promise<T>): Promise<T> {
    this.causes.push(cause);
    const staged: (() => void)[] = [];
    this.inTransaction = true;
    try {
      const result = await work({
        lock: async () => undefined,
        rows: async () => [],
        markProcessed: async (key, step) => {
          if (this.inbox.has(key)) return false;
          staged.push(() => this.inbox.set(key, step));
          return true;
        },
        keepOutcome: async (_key, decision) => void staged.push(() => this.outcomes.push(decision)),
        load: async <S>() => ({ state: { count: this.appended.length } as S, version: 7n }),
        append: async (_aggregate, _id, _expected, events) => {
          staged.push(() => this.appended.push(...events));
          return [];
        },
        change: async (changes) => void staged.push(() => this.changed.push(...changes)),
      });
      if (this.failWith !== undefined) throw this.failWith;
      for (const commit of staged) commit();
      return result;
    } finally {
      this.inTransaction = false;
    }
  }
}

const context = (facts: Partial<HandlerContext> = {}): HandlerContext => ({
  group: 'processor.test',
  topic: 'events.image.registered',
  partition: 0,
  offset: offset(0n),
  recordedAtMs: undefined,
  signal: new AbortController().signal,
  deadlineMs: 30_000,
  attempt: 1,
  lastAttempt: false,
  awaiting: () => undefined,
  unanswered: () => undefined,
  isolated: () => false,
  blame: (error) => error,
  ...facts,
});

function handlerOf(
  reaction: Partial<Reaction>,
  call: (request: unknown, options: CallOptions) => Promise<Calls['classify']['result']> = async () => expect.fail('no call'),
) {
  const unitOfWork = new RecordingUnitOfWork();
  const processor: ProcessorDefinition = {
    domain: 'test',
    reactions: [
      {
        on: 'ImageRegistered',
        aggregate,
        aggregateId: () => 'thing-1',
        idempotencyKey: ({ id }) => `test:${id}`,
        decide: () => ({ events: [{ type: 'Done', payload: {} }] }),
        ...reaction,
      },
    ],
  };
  const clock = new ManualClock();
  const inbox: { failWith?: Error } = {};
  const handle = createReactionHandler({
    processor,
    steps: { commit: (step) => commitStep(unitOfWork, step, clock) },
    isProcessed: async (key) => {
      if (inbox.failWith !== undefined) throw inbox.failWith;
      return unitOfWork.inbox.has(key);
    },
    calls: { run: async (_name: string, request: unknown, options: CallOptions) => call(request, options) },
    random: (length) => new Uint8Array(length).fill(0xab),
    logger: SILENT_LOGGER,
    clock,
  });
  return { handle, unitOfWork, inbox, processor };
}

const classify: NonNullable<Reaction['call']> = {
  name: 'classify',
  timeoutMs: 5_000,
  request: () => ({ imageUrl: 'https://cdn.example/1', userInput: undefined }),
};
const codeOf = (result: HandlerResult) => (result.kind === 'failed' ? result.error.code : result.kind);

describe('a reaction', () => {
  it('commits mark, events, changes and result together', async () => {
    const change: StateChange = { op: 'delete', table: 'things', key: { id: '1' } };
    const { handle, unitOfWork } = handlerOf({
      decide: ({ state }) => ({ events: [{ type: 'Done', payload: { state } }], changes: [change] }),
    });
    expect(await handle(event, context())).toEqual({ kind: 'acked' });
    expect([...unitOfWork.inbox.keys()]).toEqual([`test:${event.id}`]);
    expect(unitOfWork.appended).toEqual([{ type: 'Done', payload: { state: { count: 0 } } }]);
    expect(unitOfWork.changed).toEqual([change]);
  });

  it('continues the trace and names flow and cause', async () => {
    const { handle, unitOfWork } = handlerOf({});
    await handle(event, context());
    await handle({ ...event, id: '0e000000-0000-4000-8000-000000000002' as never, correlationId: 'flow-1' }, context());
    expect(unitOfWork.causes).toMatchObject([
      {
        trace: { traceId: event.traceId, spanId: 'ab'.repeat(8), parentSpanId: 'b7ad6b7169203331' },
        correlationId: event.id,
        causationId: event.id,
      },
      { correlationId: 'flow-1', causationId: '0e000000-0000-4000-8000-000000000002' },
    ]);
  });

  it('is a step of its flow, named by domain and event, with what the decision keeps for its compensation', async () => {
    const step = { status: 'waiting', compensation: { seats: 2 } };
    const { handle, unitOfWork } = handlerOf({ decide: () => ({ events: [], step }) });
    await handle(event, context());
    expect([...unitOfWork.inbox.values()]).toEqual([{ name: 'test:ImageRegistered', elapsedMs: 0 }]);
    expect(unitOfWork.outcomes).toMatchObject([{ step }]);
  });

  it('changes nothing the second time and is skipped', async () => {
    let decisions = 0;
    const { handle, unitOfWork } = handlerOf({
      decide: () => {
        decisions += 1;
        return { events: [{ type: 'Done', payload: {} }] };
      },
    });
    await handle(event, context());
    expect(await handle(event, context())).toEqual({ kind: 'skipped', reason: 'duplicate' });
    expect(decisions).toBe(1);
    expect(unitOfWork.appended).toHaveLength(1);
  });

  it('that nobody declared for the type is not wanted', async () => {
    const { handle } = handlerOf({});
    expect(await handle({ ...event, type: 'Other' }, context())).toEqual({ kind: 'skipped', reason: 'not-wanted' });
  });

  it.each(['decide', 'aggregateId', 'idempotencyKey'] as const)('whose %s throws is a bug, whatever it throws', async (where) => {
    const { handle, unitOfWork } = handlerOf({
      [where]: () => {
        throw new ClassifiedError('POSTGRES_UNAVAILABLE', 'a decision knows no database');
      },
    });
    expect(codeOf(await handle(event, context()))).toBe('DECISION_FAILED');
    expect(unitOfWork.inbox.size).toBe(0);
  });

  it('passes on what the transaction says, and gives anything else a name', async () => {
    const { handle, unitOfWork } = handlerOf({});
    unitOfWork.failWith = new ClassifiedError('VERSION_CONFLICT', 'somebody was faster');
    expect(codeOf(await handle(event, context()))).toBe('VERSION_CONFLICT');
    unitOfWork.failWith = new TypeError('x is not a function');
    expect(codeOf(await handle(event, context()))).toBe('HANDLER_FAILED');
  });

  it('begins no transaction after its deadline', async () => {
    const over = new AbortController();
    const { handle, unitOfWork } = handlerOf({ call: classify }, async () => {
      over.abort(new ClassifiedError('HANDLER_TIMEOUT', 'too late'));
      return { kind: 'rejected', reason: 'late' };
    });
    expect(codeOf(await handle(event, context({ signal: over.signal })))).toBe('HANDLER_TIMEOUT');
    expect(unitOfWork.causes).toEqual([]);
  });
});

describe('a declared call', () => {
  const answer = { kind: 'classified', category: 'paper', confidence: 0.8 } as const;

  it('runs before the transaction with key, trace and deadline, and its result is decided upon', async () => {
    const seen: unknown[] = [];
    const { handle, unitOfWork } = handlerOf(
      { call: classify, decide: ({ result }) => ({ events: [{ type: 'Done', payload: result }] }) },
      async (request, options) => {
        seen.push(request, options.idempotencyKey, options.timeoutMs, options.trace.traceId, unitOfWork.inTransaction);
        return answer;
      },
    );
    await handle(event, context());
    expect(seen).toEqual([{ imageUrl: 'https://cdn.example/1', userInput: undefined }, `test:${event.id}`, 5_000, event.traceId, false]);
    expect(unitOfWork.appended).toEqual([{ type: 'Done', payload: answer }]);
  });

  it('is left out when the event needs none', async () => {
    const { handle, unitOfWork } = handlerOf({
      call: { ...classify, request: () => undefined },
      decide: ({ result }) => ({ events: [{ type: 'Done', payload: result }] }),
    });
    await handle(event, context());
    expect(unitOfWork.appended).toEqual([{ type: 'Done', payload: undefined }]);
  });

  it('is not made again for an event that was reacted to before, nor while that cannot be asked', async () => {
    let calls = 0;
    const { handle, unitOfWork, inbox } = handlerOf({ call: classify }, async () => {
      calls += 1;
      return answer;
    });
    await handle(event, context());
    expect(await handle(event, context())).toEqual({ kind: 'skipped', reason: 'duplicate' });
    expect([calls, unitOfWork.appended.length, unitOfWork.causes.length]).toEqual([1, 1, 1]);
    inbox.failWith = new ClassifiedError('POSTGRES_UNAVAILABLE', 'away');
    expect(codeOf(await handle(event, context()))).toBe('POSTGRES_UNAVAILABLE');
    expect(calls).toBe(1);
  });

  const exhausted = { ...classify, exhausted: () => ({ kind: 'rejected', reason: 'gave_up' }) as const };
  it.each([
    ['failed and another attempt follows', 'CALL_FAILED', false, 'CALL_FAILED'],
    ['failed at the last attempt', 'CALL_FAILED', true, 'acked'],
    ['is away, even at the last attempt', 'CALL_UNAVAILABLE', true, 'CALL_UNAVAILABLE'],
  ] as const)('that %s ends as it should', async (_title, code, lastAttempt, expected) => {
    const { handle, unitOfWork } = handlerOf(
      { call: exhausted, decide: ({ result }) => ({ events: [{ type: 'Done', payload: result }] }) },
      async () => {
        throw new ClassifiedError(code, 'no');
      },
    );
    expect(codeOf(await handle(event, context({ lastAttempt })))).toBe(expected);
    expect(unitOfWork.appended).toEqual(expected === 'acked' ? [{ type: 'Done', payload: { kind: 'rejected', reason: 'gave_up' } }] : []);
  });

  it('that is away for this event alone has failed, and ends as one that failed at the last attempt', async () => {
    const { handle, unitOfWork } = handlerOf(
      { call: exhausted, decide: ({ result }) => ({ events: [{ type: 'Done', payload: result }] }) },
      async () => {
        throw new ClassifiedError('CALL_UNAVAILABLE', 'no');
      },
    );
    const blame = (error: ClassifiedError): ClassifiedError => new ClassifiedError('CALL_FAILED', 'its own', { cause: error });
    expect(codeOf(await handle(event, context({ blame })))).toBe('CALL_FAILED');
    expect(codeOf(await handle(event, context({ blame, lastAttempt: true })))).toBe('acked');
    expect(unitOfWork.appended).toEqual([{ type: 'Done', payload: { kind: 'rejected', reason: 'gave_up' } }]);
  });

  it('that failed at the last attempt dead-letters the event when nothing else was declared', async () => {
    const { handle } = handlerOf({ call: classify }, async () => {
      throw new ClassifiedError('CALL_FAILED', 'no');
    });
    expect(codeOf(await handle(event, context({ lastAttempt: true })))).toBe('CALL_FAILED');
  });
});
