import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../../core/errors.ts';
import type { Metrics } from '../../../core/metrics.ts';
import { NO_METRICS } from '../../../core/metrics.ts';
import type { BankSteps, DepositStep } from '../../../test/support/bank-steps.ts';
import { NEVER, bankSteps, depositStep } from '../../../test/support/bank-steps.ts';
import type { Bank } from '../../../test/support/bank.ts';
import { openBank } from '../../../test/support/bank.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { takeAdvisoryLock } from '../advisory-lock.ts';
import type { Database } from '../database.ts';

const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));

describe('steps in batches', () => {
  let bank: Bank;
  const open: BankSteps[] = [];
  beforeAll(async () => {
    bank = await openBank('steps');
  });
  afterAll(async () => {
    await Promise.all(open.map((steps) => steps.stop()));
    await bank.close();
  });

  /** Counts the statements of the batches. */
  const opened = (options: Parameters<typeof bankSteps>[1] = {}) => {
    const texts: string[] = [];
    const counting = (batches: Database): Database => ({
      ...withMethods(batches),
      prepared: async (text, values) => {
        texts.push(text);
        return batches.prepared(text, values);
      },
    });
    const steps = bankSteps(bank, options, counting);
    open.push(steps);
    return { steps, texts, writes: () => texts.filter((text) => text.includes('marked AS')).length };
  };
  const outcomes = async (steps: BankSteps, deposits: readonly DepositStep[]): Promise<readonly string[]> =>
    Promise.all(
      deposits.map(async (deposit) => {
        try {
          return (await steps.commit(depositStep(deposit), NEVER)).kind;
        } catch (error) {
          return (error as { code: string }).code;
        }
      }),
    );
  /** What is there of a key, in every table. */
  const traces = async (key: string) => {
    const [row] = await bank.database.query<{ events: bigint; outbox: bigint; inbox: bigint }>(
      `SELECT (SELECT count(*) FROM bank.events WHERE payload ->> 'note' = $1) AS events,
              (SELECT count(*) FROM bank.outbox WHERE payload ->> 'note' = $1) AS outbox,
              (SELECT count(*) FROM bank.processed_events WHERE idempotency_key = $1) AS inbox`,
      [key],
    );
    return row;
  };
  const WHOLE = { events: 1n, outbox: 1n, inbox: 1n };
  const NOTHING = { events: 0n, outbox: 0n, inbox: 0n };

  it('that come at once share one statement to read and one to write, and each is there wholly (I1)', async () => {
    const { steps, texts } = opened();
    const deposits = many(20, (n) => ({ key: `at-once-${n}`, account: `at-once-${n}`, amount: n }));
    expect(await outcomes(steps, deposits)).toEqual(many(20, () => 'committed'));
    expect(texts).toHaveLength(2);
    for (const { key } of deposits) expect(await traces(key)).toEqual(WHOLE);
    const accounts = await bank.database.query(
      "SELECT last_amount FROM bank.accounts WHERE account_id LIKE 'at-once-%' ORDER BY last_amount",
    );
    expect(accounts).toEqual(many(20, (n) => ({ last_amount: BigInt(n) })));
  });

  it('are decided again when they come to be written long after their streams were read: no event is added behind who reads by time (I11)', async () => {
    let aged = 0;
    const frozen = (batches: Database): Database => ({
      ...withMethods(batches),
      prepared: async (text, [first, ...others]) => {
        if (!text.includes('marked AS') || aged > 0) return batches.prepared(text, [first, ...others]);
        aged += 1;
        return batches.prepared(text, [String(first).replaceAll(/"read_at":"\d{4}/g, '"read_at":"2020'), ...others]);
      },
    });
    const steps = bankSteps(bank, {}, frozen);
    open.push(steps);
    expect(await outcomes(steps, [{ key: 'frozen', account: 'frozen', amount: 1 }])).toEqual(['committed']);
    expect(aged).toBe(1);
    expect(await traces('frozen')).toEqual(WHOLE);
    const [event] = await bank.database.query<{ recent: boolean }>(
      `SELECT created_at > now() - interval '1 minute' AS recent FROM bank.events WHERE payload ->> 'note' = 'frozen'`,
    );
    expect(event).toEqual({ recent: true });
  });

  it('leave out one that may be what breaks their connection: it has a transaction of its own', async () => {
    const { steps, texts } = opened();
    const isolated = { ...depositStep({ key: 'isolated', account: 'isolated', amount: 1 }), isolated: true };
    expect(await steps.commit(isolated, NEVER)).toEqual({ kind: 'committed', events: 1 });
    expect(texts).toEqual([]);
    expect(await traces('isolated')).toEqual(WHOLE);
  });

  it('write what the unit of work writes, column by column', async () => {
    const { steps } = opened();
    const step = depositStep({
      key: 'columns',
      account: 'columns',
      amount: 7,
      changes: [{ op: 'upsert', table: 'owners', key: { owner_id: 'columns' }, set: { nickname: 'n' } }],
    });
    const cause = { ...step.cause, trace: { ...step.cause.trace, tracestate: 'a=1:b' } };
    await steps.commit({ ...step, cause }, NEVER);
    await bank.unitOfWork.run(cause, async (tx) => {
      await tx.markProcessed('columns-single', { name: step.name, elapsedMs: 0 });
      const { state, version } = await tx.load(step.aggregate, 'columns-single');
      const decision = step.decide(state, []);
      await tx.append(step.aggregate, 'columns-single', version, decision.events);
      await tx.keepOutcome('columns-single', decision);
    });
    const differing = [
      'event_id',
      'id',
      'aggregate_id',
      'stream_id',
      'created_at',
      'idempotency_key',
      'processed_at',
      'started_at',
      'expires_at',
    ];
    const rows = async (table: string, column: string) =>
      bank.database.query<{ row: object }>(
        `SELECT to_jsonb(t) - $1::text[] AS row FROM bank.${table} AS t WHERE ${column} IN ('columns', 'columns-single')`,
        [differing],
      );
    for (const [table, column] of [
      ['events', 'aggregate_id'],
      ['outbox', 'stream_id'],
      ['processed_events', 'idempotency_key'],
    ] as const) {
      const [batched, single] = await rows(table, column);
      expect(batched, table).toEqual(single);
      expect(batched?.row).not.toEqual({});
    }
    const [times] = await bank.database.query(
      `SELECT e.created_at = o.created_at AND e.created_at = a.updated_at AS same, p.started_at <= p.processed_at AS ordered,
              p.expires_at - p.processed_at = interval '31 days' AS kept
       FROM bank.events e JOIN bank.outbox o ON o.id = e.event_id JOIN bank.accounts a ON a.account_id = e.aggregate_id
       JOIN bank.processed_events p ON p.idempotency_key = 'columns' WHERE e.aggregate_id = 'columns'`,
    );
    expect(times).toEqual({ same: true, ordered: true, kept: true });
  });

  it('leave a step out that throws, that no schema knows or that is not JSON, before anything is written; its neighbours share one statement', async () => {
    const { steps, writes } = opened();
    const good = many(5, (n) => ({ key: `beside-${n}`, account: `beside-${n}` }));
    const bad: DepositStep[] = [
      {
        key: 'beside-throwing',
        account: 'beside-throwing',
        decide: () => {
          throw new TypeError('secret-value');
        },
      },
      { key: 'beside-invalid', account: 'beside-invalid', amount: 'many' },
      { key: 'beside-bigint', account: 'beside-bigint', amount: 1n },
      { key: 'beside-foreign', account: 'beside-foreign', decide: () => ({ events: [{ type: 'NobodyKnows', payload: {} }] }) },
    ];
    expect(await outcomes(steps, [...good, ...bad])).toEqual([
      ...many(5, () => 'committed'),
      'DECISION_FAILED',
      'PAYLOAD_INVALID',
      'PAYLOAD_INVALID',
      'EVENT_UNKNOWN',
    ]);
    expect(writes()).toBe(1);
    for (const { key } of bad) expect(await traces(key)).toEqual(NOTHING);
  });

  it('isolate a step that the database refuses, without doubling or losing an effect of its neighbours', async () => {
    const { steps } = opened();
    const deposits = many(30, (n) => ({ key: `poison-${n}`, account: `poison-${n}`, amount: n === 17 ? 98_765_432 : 1 }));
    expect(await outcomes(steps, deposits)).toEqual(many(30, (n) => (n === 17 ? 'STATE_INVALID' : 'committed')));
    for (const [n, { key }] of deposits.entries()) expect(await traces(key)).toEqual(n === 17 ? NOTHING : WHOLE);
  });

  it('skip a key that is taken, whoever has it and whenever it was taken (I4)', async () => {
    const { steps, writes } = opened();
    await outcomes(steps, [{ key: 'twice', account: 'twice' }]);
    expect(await outcomes(steps, [{ key: 'twice', account: 'twice' }])).toEqual(['repeated']);
    expect(writes(), 'a repetition writes nothing').toBe(1);
    const two = [opened().steps, opened().steps] as const;
    const keys = many(40, (n) => ({ key: `race-${n}`, account: `race-${n}` }));
    const kinds = await Promise.all([...two, ...two].map((each) => outcomes(each, keys)));
    for (const [n, { key }] of keys.entries()) {
      expect(kinds.map((each) => each[n]).sort()).toEqual(['committed', 'repeated', 'repeated', 'repeated']);
      expect(await traces(key)).toEqual(WHOLE);
    }
  });

  it('of one stream go one after another, with versions 1, 2, 3 … also from two processes (I5)', async () => {
    const two = [opened().steps, opened().steps] as const;
    const deposits = (process: number) => many(15, (n) => ({ key: `hot-${process}-${n}`, account: `hot-${n % 2}` }));
    const kinds = await Promise.all(two.map((each, process) => eventuallyCommitted(each, deposits(process))));
    expect(kinds.flat()).toEqual(many(30, () => 'committed'));
    const rows = await bank.database.query<{ v: bigint; created_at: string }>(
      "SELECT sequence_number AS v, created_at FROM bank.events WHERE aggregate_id = 'hot-0' ORDER BY v",
    );
    expect(rows.map(({ v }) => v)).toEqual(many(16, (n) => BigInt(n + 1)));
    const times = rows.map(({ created_at }) => created_at);
    expect(times).toEqual([...times].sort());
  });

  it('are decided anew when the stream went on between reading and writing', async () => {
    const states: unknown[] = [];
    const { steps } = opened();
    let intruded = false;
    const overtaken = depositStep({ key: 'overtaken', account: 'overtaken' });
    const outcome = await steps.commit(
      {
        ...overtaken,
        decide: (state) => {
          states.push(state);
          return overtaken.decide(state, []);
        },
      },
      NEVER,
    );
    expect(outcome).toEqual({ kind: 'committed', events: 1 });
    const slow = bankSteps(bank, {}, (batches) => ({
      ...withMethods(batches),
      prepared: async (text, values) => {
        if (text.includes('marked AS') && !intruded) {
          intruded = true;
          await steps.commit(depositStep({ key: 'intruder', account: 'overtaken' }), NEVER);
        }
        return batches.prepared(text, values);
      },
    }));
    open.push(slow);
    const seen: unknown[] = [];
    const late = depositStep({ key: 'late', account: 'overtaken' });
    await slow.commit({ ...late, decide: (state) => (seen.push(state), late.decide(state, [])) }, NEVER);
    expect(seen).toEqual([
      { deposits: 1, total: 1 },
      { deposits: 2, total: 2 },
    ]);
  });

  it('change rows that several of them touch in the order in which they came', async () => {
    const { steps, writes } = opened();
    const touching = (n: number): DepositStep => ({
      key: `row-${n}`,
      account: `row-${n}`,
      changes: [{ op: 'upsert', table: 'owners', key: { owner_id: 'shared' }, set: { nickname: `by ${n}` } }],
    });
    expect(await outcomes(steps, many(4, touching))).toEqual(many(4, () => 'committed'));
    expect(writes()).toBe(4);
    expect(await bank.database.query("SELECT nickname FROM bank.owners WHERE owner_id = 'shared'")).toEqual([{ nickname: 'by 3' }]);
  });

  it('whose changes must keep their order have a transaction of their own', async () => {
    const { steps } = opened();
    const key = { owner_id: 'ordered' };
    const step: DepositStep = {
      key: 'ordered',
      account: 'ordered',
      changes: [
        { op: 'upsert', table: 'owners', key, set: { nickname: 'first' } },
        { op: 'delete', table: 'owners', key },
        { op: 'upsert', table: 'owners', key, set: { since: '2026-03-01T09:00:00Z' } },
      ],
    };
    expect(await outcomes(steps, [step, { key: 'ordered-neighbour', account: 'ordered-neighbour' }])).toEqual(['committed', 'committed']);
    expect(await traces('ordered')).toEqual(WHOLE);
    expect(await bank.database.query("SELECT nickname FROM bank.owners WHERE owner_id = 'ordered'")).toEqual([{ nickname: null }]);
  });

  it('are absorbed as repeated when they were written and the answer was lost, and done when it was not written', async () => {
    for (const written of [true, false]) {
      let losses = 0;
      const lossy = bankSteps(bank, {}, (batches) => ({
        ...withMethods(batches),
        prepared: async (text, values) => {
          const lose = text.includes('marked AS') && losses === 0;
          if (lose) losses += 1;
          if (!lose) return batches.prepared(text, values);
          if (written) await batches.prepared(text, values);
          throw new ClassifiedError('POSTGRES_UNAVAILABLE', 'the connection was lost');
        },
      }));
      open.push(lossy);
      const deposits = many(6, (n) => ({ key: `lost-${String(written)}-${n}`, account: `lost-${String(written)}-${n}` }));
      expect(await outcomes(lossy, deposits), 'an outage is theirs alike').toEqual(many(6, () => 'POSTGRES_UNAVAILABLE'));
      expect(await outcomes(lossy, deposits)).toEqual(many(6, () => (written ? 'repeated' : 'committed')));
      for (const { key } of deposits) expect(await traces(key)).toEqual(WHOLE);
    }
  });

  it('do not wait for a neighbour whose row somebody else holds', async () => {
    const { steps } = opened({ lockTimeoutMs: 100 });
    await bank.database.execute("INSERT INTO bank.owners VALUES ('held')");
    const blocked: DepositStep = {
      key: 'held-1',
      account: 'held-1',
      changes: [{ op: 'upsert', table: 'owners', key: { owner_id: 'held' }, set: { nickname: 'x' } }],
    };
    await bank.database.transaction(async (session) => {
      await session.execute("UPDATE bank.owners SET nickname = 'held' WHERE owner_id = 'held'");
      const settled: string[] = [];
      const all = [blocked, ...many(20, (n) => ({ key: `free-${n}`, account: `free-${n}` }))];
      void Promise.all(all.map(async (deposit) => outcomes(steps, [deposit]).then(([kind]) => settled.push(`${deposit.key} ${kind}`))));
      await eventually(() => settled.length === 20);
      expect(settled.sort()).toEqual(many(20, (n) => `free-${n} committed`).sort());
    });
    await eventually(async () => (await traces('held-1'))?.inbox === 1n);
  });

  it('that take their time go on alone, and their neighbours are done meanwhile', async () => {
    await bank.database.execute(`
      CREATE FUNCTION bank.sleep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3); RETURN NEW; END';
      CREATE TRIGGER sleep BEFORE INSERT ON bank.owners FOR EACH ROW WHEN (NEW.owner_id = 'asleep') EXECUTE FUNCTION bank.sleep()`);
    const { steps } = opened({ stepTimeoutMs: 2_000 });
    const slow: DepositStep = {
      key: 'slow',
      account: 'slow',
      changes: [{ op: 'upsert', table: 'owners', key: { owner_id: 'asleep' }, set: { nickname: 'x' } }],
    };
    const settled: string[] = [];
    const all = [slow, ...many(20, (n) => ({ key: `brisk-${n}`, account: `brisk-${n}` }))];
    await Promise.all(all.map(async (deposit) => outcomes(steps, [deposit]).then(([kind]) => settled.push(`${deposit.key} ${kind}`))));
    expect(settled.at(-1)).toBe('slow committed');
    expect(settled.filter((each) => each.startsWith('brisk') && each.endsWith('committed'))).toHaveLength(20);
    expect(await traces('slow')).toEqual(WHOLE);
  });

  it('wait with a slow one in a statement of all and in one of a few, and never again while it is known to be slow', async () => {
    const sizes: number[] = [];
    let release: () => void = () => undefined;
    const stuck = new Promise<void>((resolve) => (release = resolve));
    const slow = bankSteps(bank, { batchMax: 300 }, (batches) => ({
      ...withMethods(batches),
      prepared: async (text, values) => {
        const keys = text.includes('marked AS') ? (JSON.parse(String(values[0])) as { key: string }[]).map(({ key }) => key) : [];
        if (!keys.some((key) => key.startsWith('stuck'))) return batches.prepared(text, values);
        sizes.push(keys.length);
        if (sizes.length === 2) await stuck;
        throw new ClassifiedError('HANDLER_TIMEOUT', 'the statement ran into its time limit');
      },
    }));
    open.push(slow);
    const settled: string[] = [];
    const deposits = [{ key: 'stuck', account: 'stuck' }, ...many(299, (n) => ({ key: `moves-${n}`, account: `moves-${n}` }))];
    const all = deposits.map(async (deposit) => outcomes(slow, [deposit]).then(([kind]) => settled.push(`${deposit.key} ${kind}`)));
    await eventually(() => settled.length === 295, { timeoutMs: 20_000 });
    expect(settled).not.toContain('stuck committed');
    release();
    await Promise.all(all);
    expect(settled.filter((each) => each.endsWith(' committed'))).toHaveLength(300);
    expect(sizes).toEqual([300, 5, 1]);
    expect(await outcomes(slow, [{ key: 'stuck-too', account: 'stuck' }])).toEqual(['committed']);
    expect(sizes, 'it went alone at once').toHaveLength(3);
  });

  it('of their own do not stand in line behind those that wait for a lock', async () => {
    const { steps } = opened({ lockedMax: 1, aloneMax: 1 });
    const lock = 'taken';
    let waiting: Promise<unknown> = Promise.resolve();
    await bank.database.transaction(async (session) => {
      await takeAdvisoryLock(session, lock, 1_000);
      waiting = Promise.all(
        many(2, (n) => steps.commit({ ...depositStep({ key: `locked-${n}`, account: `locked-${n}`, amount: 1 }), lock }, NEVER)),
      );
      const isolated = { ...depositStep({ key: 'not-locked', account: 'not-locked', amount: 1 }), isolated: true };
      expect(await steps.commit(isolated, NEVER)).toEqual({ kind: 'committed', events: 1 });
      expect(await traces('locked-0')).toEqual(NOTHING);
    });
    expect(await waiting).toEqual(many(2, () => ({ kind: 'committed', events: 1 })));
  });

  it('whose connection dies under the statement leave nothing, and are done when they come again', async () => {
    const { steps } = opened({ stepTimeoutMs: 120_000 });
    const mortal = many(5, (n) => ({
      key: `mortal-${n}`,
      account: `mortal-${n}`,
      changes: [{ op: 'upsert', table: 'owners', key: { owner_id: n === 4 ? 'in-hand' : `mortal-${n}` }, set: { nickname: 'x' } }] as const,
    }));
    await bank.database.execute(`
      CREATE FUNCTION bank.pause() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN NEW; END';
      CREATE TRIGGER pause BEFORE INSERT ON bank.owners FOR EACH ROW WHEN (NEW.owner_id = 'in-hand') EXECUTE FUNCTION bank.pause()`);
    const first = outcomes(steps, mortal);
    await eventually(async () => {
      const killed = await bank.database.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event = 'PgSleep' AND query LIKE '%marked AS%'`,
      );
      return killed.length === 1;
    });
    expect(await first).toEqual(many(5, () => 'POSTGRES_UNAVAILABLE'));
    for (const { key } of mortal) expect(await traces(key)).toEqual(NOTHING);
    await bank.database.execute('DROP TRIGGER pause ON bank.owners');
    expect(await outcomes(steps, mortal)).toEqual(many(5, () => 'committed'));
    for (const { key } of mortal) expect(await traces(key)).toEqual(WHOLE);
  });

  it('never begin once nobody waits for them any more', async () => {
    const { steps } = opened({ inFlightMax: 1 });
    const given = new AbortController();
    const first = steps.commit(depositStep({ key: 'begun', account: 'begun' }), NEVER);
    const left = steps.commit(depositStep({ key: 'left-out', account: 'begun' }), given.signal);
    given.abort(new ClassifiedError('HANDLER_TIMEOUT', 'too late'));
    await expect(left).rejects.toMatchObject({ code: 'HANDLER_TIMEOUT' });
    await expect(steps.commit(depositStep({ key: 'left-out', account: 'begun' }), given.signal)).rejects.toMatchObject({
      code: 'HANDLER_TIMEOUT',
    });
    await first;
    expect(await traces('left-out')).toEqual(NOTHING);
  });

  it.each([
    ['rows that they make', 'upsert', 'rows', (process: number, at: number) => ({ key: `cross-${process}-${at}`, owner: `rows-${at}` })],
    ['rows that they change', 'update', 'more', (process: number, at: number) => ({ key: `cross-${process}-${at}`, owner: `rows-${at}` })],
    ['keys', 'upsert', 'keys', (_process: number, at: number) => ({ key: `cross-both-${at}`, owner: `own-${at}` })],
  ] as const)('never deadlock when two processes come to the same %s in opposite orders', async (_, op, what, names) => {
    // A row takes its time, so that two who come to many rows at once are sure to meet.
    await bank.database.execute(`
      CREATE OR REPLACE FUNCTION bank.dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.001); RETURN NEW; END';
      CREATE OR REPLACE TRIGGER dawdle BEFORE INSERT OR UPDATE ON bank.owners FOR EACH ROW WHEN (NEW.owner_id LIKE 'rows-%') EXECUTE FUNCTION bank.dawdle()`);
    const splits: string[] = [];
    const metrics: Metrics = { ...NO_METRICS, count: (name, labels) => void splits.push(`${name} ${(labels as { code: string }).code}`) };
    // So long that a deadlock is found by the server, and nobody gives up before.
    const two = [opened({ metrics, lockTimeoutMs: 5_000 }).steps, opened({ metrics, lockTimeoutMs: 5_000 }).steps] as const;
    const rounds = async (process: number): Promise<readonly string[]> => {
      const all: string[] = [];
      for (let round = 0; round < 8; round += 1) {
        const deposits = many(30, (n): DepositStep => {
          const { key, owner } = names(process, process === 0 ? n : 29 - n);
          const changes = [{ op, table: 'owners', key: { owner_id: owner }, set: { nickname: `by ${process}` } }] as const;
          return { key: `${what}-${round}-${key}`, account: `${what}-${process}-${n}`, changes };
        });
        all.push(...(await eventuallyCommitted(two[process]!, deposits)));
      }
      return all;
    };
    const kinds = (await Promise.all([rounds(0), rounds(1)])).flat();
    expect(kinds.filter((kind) => kind === 'committed')).toHaveLength(what === 'keys' ? 240 : 480);
    expect(splits).toEqual([]);
  });

  it('make the snapshot that is due, in the transaction of its event', async () => {
    const { steps } = opened({ snapshotEvery: 5 });
    for (let n = 0; n < 7; n += 1) await outcomes(steps, [{ key: `snapshot-${n}`, account: 'snapshot', amount: 2 }]);
    const rows = await bank.database.query(
      "SELECT sequence_number, state, state_version FROM bank.snapshots WHERE aggregate_id = 'snapshot'",
    );
    expect(rows).toEqual([{ sequence_number: 5n, state: { deposits: 5, total: 10 }, state_version: 1 }]);
    await bank.database.execute(`UPDATE bank.snapshots SET state = '{"deposits": 5, "total": 1000}' WHERE aggregate_id = 'snapshot'`);
    let seen: unknown;
    await steps.commit(
      depositStep({ key: 'snapshot-read', account: 'snapshot', decide: (state) => ((seen = state), { events: [] }) }),
      NEVER,
    );
    expect(seen, 'what is loaded begins at the snapshot').toEqual({ deposits: 7, total: 1004 });
  });
});

/** As the loop does it: what met another writer comes again. */
async function eventuallyCommitted(steps: BankSteps, deposits: readonly DepositStep[]): Promise<readonly string[]> {
  return Promise.all(
    deposits.map(async (deposit) => {
      for (;;) {
        try {
          return (await steps.commit(depositStep(deposit), NEVER)).kind;
        } catch (error) {
          if (!(error instanceof ClassifiedError) || error.disposition !== 'retry-now') throw error;
        }
      }
    }),
  );
}

function withMethods(database: Database): Database {
  return {
    domain: database.domain,
    query: (text, values) => database.query(text, values),
    execute: (text, values) => database.execute(text, values),
    prepared: (text, values) => database.prepared(text, values),
    transaction: (work) => database.transaction(work),
    stop: (hard) => database.stop(hard),
  };
}
