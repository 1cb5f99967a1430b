import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StateChange } from '../../../core/define.ts';
import { ClassifiedError } from '../../../core/errors.ts';
import type { Step } from '../../../core/step.ts';
import type { BankSteps } from '../../../test/support/bank-steps.ts';
import { NEVER, bankSteps, depositStep } from '../../../test/support/bank-steps.ts';
import type { Bank } from '../../../test/support/bank.ts';
import { openBank } from '../../../test/support/bank.ts';
import { LONG } from '../../../test/support/long.ts';
import { systemClock } from '../../../test/support/system-clock.ts';
import type { Database } from '../database.ts';
import { commitStep } from './commit-step.ts';

/** What an event leads to: the same whoever is given it, and however often. */
const KINDS = {
  deposit: undefined,
  shared: undefined,
  ordered: undefined,
  locked: undefined,
  nothing: undefined,
  throwing: 'DECISION_FAILED',
  invalid: 'PAYLOAD_INVALID',
  refused: 'STATE_INVALID',
  unstorable: 'STATE_INVALID',
} as const;
type Kind = keyof typeof KINDS;

interface Happening {
  readonly kind: Kind;
  readonly account: number;
  readonly amount: number;
}

/** What happens to a statement of a batch: its connection is lost before it arrives, or before its answer does, or it meets another one. */
type Fault = 'none' | 'lost' | 'answer lost' | 'met';

const happening = fc.record({
  kind: fc.constantFrom(...(Object.keys(KINDS) as Kind[]), 'deposit' as const, 'shared' as const),
  account: fc.integer({ min: 0, max: 4 }),
  amount: fc.integer({ min: 1, max: 9 }),
});
const story = fc.record({
  happenings: fc.array(happening, { minLength: 1, maxLength: 25 }),
  /** Which happening is delivered to which of two processes, in order. */
  deliveries: fc.array(fc.record({ happening: fc.nat(), process: fc.integer({ min: 0, max: 1 }) }), { minLength: 1, maxLength: 60 }),
  faults: fc.array(fc.constantFrom<Fault>('none', 'none', 'none', 'lost', 'answer lost', 'met'), { maxLength: 12 }),
  batchMax: fc.constantFrom(1, 3, 64),
});

describe('batches', () => {
  let bank: Bank;
  let runs = 0;
  beforeAll(async () => {
    bank = await openBank('equal', { poolMax: 20 });
  });
  afterAll(() => bank.close());

  const stepOf = (prefix: string, index: number, { kind, account, amount }: Happening): Step => {
    const key = `${prefix}-${index}`;
    const row = { owner_id: `${prefix}-shared` };
    const changes: readonly StateChange[] =
      kind === 'ordered'
        ? [
            { op: 'upsert', table: 'owners', key: row, set: { nickname: 'gone soon' } },
            { op: 'delete', table: 'owners', key: row },
          ]
        : [{ op: 'upsert', table: 'owners', key: row, set: { nickname: key } }];
    const step = depositStep({
      key,
      account: `${prefix}-account-${account}`,
      amount: kind === 'invalid' ? 'many' : kind === 'refused' ? 98_765_432 : amount,
      changes: kind === 'shared' || kind === 'ordered' ? changes : [],
      ...(kind === 'locked' ? { lock: `${prefix}-lock` } : {}),
    });
    return {
      ...step,
      decide: (state) => {
        if (kind === 'throwing') throw new TypeError('it throws');
        if (kind === 'nothing') return { events: [] };
        const decision = step.decide(state, []);
        return kind === 'unstorable' ? { ...decision, result: 'a\u0000b' } : decision;
      },
    };
  };

  /** As a group's loop does it: an outage or a conflict comes again, anything else is the end. */
  const deliver = async (commit: () => Promise<unknown>): Promise<string> => {
    for (;;) {
      try {
        await commit();
        return 'done';
      } catch (error) {
        if (!(error instanceof ClassifiedError)) throw error;
        if (error.disposition !== 'outage' && error.disposition !== 'retry-now') return error.code;
      }
    }
  };

  const faulty =
    (faults: Fault[]) =>
    (batches: Database): Database => ({
      domain: batches.domain,
      query: (text, values) => batches.query(text, values),
      execute: (text, values) => batches.execute(text, values),
      transaction: (work) => batches.transaction(work),
      stop: (hard) => batches.stop(hard),
      async prepared(text, values) {
        const fault = faults.shift() ?? 'none';
        if (fault === 'lost') throw new ClassifiedError('POSTGRES_UNAVAILABLE', 'the connection was lost');
        if (fault === 'met') throw new ClassifiedError('POSTGRES_SERIALIZATION', 'the transaction met another one');
        const rows = await batches.prepared(text, values);
        if (fault === 'answer lost') throw new ClassifiedError('POSTGRES_UNAVAILABLE', 'the connection was lost');
        return rows as never;
      },
    });

  /** All that is left of a story, without the names and times that differ from run to run. */
  const traces = async (prefix: string) => {
    const like = `${prefix}-%`;
    const rows = async (text: string) => bank.database.query<Record<string, unknown>>(text, [like, prefix]);
    return {
      inbox: await rows(
        "SELECT replace(idempotency_key, $2, '') AS key, count(*)::int AS n FROM bank.processed_events WHERE idempotency_key LIKE $1 GROUP BY 1 ORDER BY 1",
      ),
      outbox: await rows(
        "SELECT replace(payload ->> 'note', $2, '') AS key, count(*)::int AS n FROM bank.outbox WHERE payload ->> 'note' LIKE $1 GROUP BY 1 ORDER BY 1",
      ),
      streams: await rows(
        `SELECT replace(aggregate_id, $2, '') AS id, count(*)::int AS n, max(sequence_number)::int AS last, sum((payload ->> 'amount')::int)::int AS total
         FROM bank.events WHERE aggregate_id LIKE $1 GROUP BY 1 ORDER BY 1`,
      ),
    };
  };

  it('leave what the same steps leave one by one, whatever fails, repeats, meets or loses its connection', async () => {
    await fc.assert(
      fc.asyncProperty(story, async ({ happenings, deliveries, faults, batchMax }) => {
        runs += 1;
        const [together, single] = [`t${runs}`, `s${runs}`] as const;
        const injected = [...faults];
        const two: readonly BankSteps[] = [0, 1].map(() => bankSteps(bank, { batchMax }, faulty(injected)));
        const chosen = deliveries.map(({ happening: n, process }) => ({ index: n % happenings.length, process }));
        try {
          const ends = await Promise.all(
            chosen.map(({ index, process }) => deliver(() => two[process]!.commit(stepOf(together, index, happenings[index]!), NEVER))),
          );
          expect(ends).toEqual(chosen.map(({ index }) => KINDS[happenings[index]!.kind] ?? 'done'));
        } finally {
          await Promise.all(two.map((each) => each.stop()));
        }
        for (const { index } of chosen) {
          await deliver(() => commitStep(bank.unitOfWork, stepOf(single, index, happenings[index]!), systemClock));
        }
        const left = await traces(together);
        expect(left).toEqual(await traces(single));
        for (const { n, last } of left.streams) expect(n, 'versions have no gap').toBe(last);
        for (const { n } of [...left.inbox, ...left.outbox]) expect(n, 'no effect is doubled').toBe(1);
      }),
      { numRuns: LONG ? 300 : 25 },
    );
  });
});
