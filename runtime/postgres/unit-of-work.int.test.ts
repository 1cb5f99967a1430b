import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatTraceparent } from '../../core/trace.ts';
import { describeFully } from '../../test/support/describe-fully.ts';
import { account } from '../../test/support/bank-domain.ts';
import type { Bank } from '../../test/support/bank.ts';
import { aCause, openBank } from '../../test/support/bank.ts';

const deposited = (account_id: string, amount = 5, extra: object = {}) => ({
  type: 'AccountDeposited',
  payload: { account_id, owner_id: 'owner-1', amount, ...extra },
});

interface OutboxRow {
  readonly id: string;
  readonly created_at: string;
  readonly version: bigint;
}

describe('the unit of work', () => {
  let bank: Bank;
  beforeAll(async () => {
    bank = await openBank('uow');
  });
  afterAll(() => bank.close());

  const stored = async (id: string) => {
    const rows = async (text: string) => (await bank.database.query<{ n: bigint }>(text, [id]))[0]?.n;
    return {
      events: await rows('SELECT count(*) AS n FROM bank.events WHERE aggregate_id = $1'),
      outbox: await rows('SELECT count(*) AS n FROM bank.outbox WHERE stream_id = $1'),
      state: await rows('SELECT count(*) AS n FROM bank.accounts WHERE account_id = $1'),
      inbox: await rows("SELECT count(*) AS n FROM bank.processed_events WHERE idempotency_key = 'key:' || $1"),
    };
  };

  it('commits inbox mark, events, outbox rows and state rows together (I1)', async () => {
    const cause = aCause();
    const appended = await bank.unitOfWork.run(cause, async (tx) => {
      expect(await tx.markProcessed('key:whole')).toBe(true);
      const { state, version } = await tx.load(account, 'whole');
      expect([state, version]).toEqual([{ deposits: 0, total: 0 }, 0n]);
      return tx.append(account, 'whole', 0n, [deposited('whole', 5), deposited('whole', 7)]);
    });

    expect(await stored('whole')).toEqual({ events: 2n, outbox: 2n, state: 1n, inbox: 1n });
    const [row] = await bank.database.query<{ last_amount: bigint }>("SELECT last_amount FROM bank.accounts WHERE account_id = 'whole'");
    expect(row?.last_amount, 'the later event decides the row').toBe(7n);
    expect(appended.map(({ type, version }) => [type, version])).toEqual([
      ['AccountDeposited', 1n],
      ['AccountDeposited', 2n],
    ]);
  });

  it('fills every column of the outbox row from the event and its cause', async () => {
    const cause = aCause({ correlationId: 'flow-1', causationId: 'cause-1' });
    const [event] = await bank.unitOfWork.run({ ...cause, trace: { ...cause.trace, tracestate: 'a=1' } }, (tx) =>
      tx.append(account, 'columns', 0n, [deposited('columns')]),
    );
    const [row] = await bank.database.query<OutboxRow>('SELECT * FROM bank.outbox WHERE id = $1', [event?.id]);
    const traceparent = formatTraceparent(cause.trace);
    expect(row).toEqual({
      id: event?.id,
      aggregatetype: 'bank',
      aggregateid: 'owner-1',
      type: 'AccountDeposited',
      payload: { account_id: 'columns', owner_id: 'owner-1', amount: 5 },
      trace_id: cause.trace.traceId,
      request_id: 'request-1',
      created_at: row?.created_at,
      topic: 'bank.account_deposited',
      stream_id: 'columns',
      version: 1n,
      traceparent,
      tracestate: 'a=1',
      tracingspancontext: `traceparent=${traceparent}\ntracestate=a\\=1`,
      correlation_id: 'flow-1',
      causation_id: 'cause-1',
    });
    expect(row?.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    const [times] = await bank.database.query<{ same: boolean }>(
      `SELECT e.created_at = o.created_at AND e.created_at = a.updated_at AS same FROM bank.events e
       JOIN bank.outbox o ON o.id = e.event_id JOIN bank.accounts a ON a.account_id = e.aggregate_id WHERE e.event_id = $1`,
      [event?.id],
    );
    expect(times?.same, 'event, outbox and state row have one time').toBe(true);
  });

  it('begins a flow with the id of the first event of the transaction', async () => {
    const events = await bank.unitOfWork.run(aCause(), async (tx) => [
      ...(await tx.append(account, 'flow-a', 0n, [deposited('flow-a')])),
      ...(await tx.append(account, 'flow-b', 0n, [deposited('flow-b')])),
    ]);
    const rows = await bank.database.query<{ correlation_id: string }>(
      "SELECT DISTINCT correlation_id FROM bank.outbox WHERE stream_id IN ('flow-a', 'flow-b')",
    );
    expect(rows).toEqual([{ correlation_id: events[0]?.id }]);
  });

  it.each([
    ['after the inbox mark', 1],
    ['after the append', 2],
    ['after the last change', 3],
  ])('leaves nothing behind when the work fails %s (I1)', async (_, failAt) => {
    const id = `half-${failAt}`;
    const fail = (step: number): void => {
      if (step === failAt) throw new Error('the work failed');
    };
    const run = bank.unitOfWork.run(aCause(), async (tx) => {
      await tx.markProcessed(`key:${id}`);
      fail(1);
      await tx.append(account, id, 0n, [deposited(id)]);
      fail(2);
      await tx.change([{ op: 'upsert', table: 'owners', key: { owner_id: id }, set: { nickname: 'x' } }]);
      fail(3);
    });
    await expect(run).rejects.toThrow('the work failed');
    expect(await stored(id)).toEqual({ events: 0n, outbox: 0n, state: 0n, inbox: 0n });
  });

  it('leaves nothing behind when a state table refuses the row of an appended event, and names no value', async () => {
    const run = bank.unitOfWork.run(aCause(), (tx) => tx.append(account, 'refused', 0n, [deposited('refused', 98_765_432)]));
    const error: unknown = await run.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'STATE_INVALID' });
    expect(JSON.stringify(describeFully(error))).not.toMatch(/98.?765|owner-1|refused"/);
    expect(JSON.stringify(describeFully(error))).toContain('accounts_last_amount_check');
    expect(await stored('refused')).toEqual({ events: 0n, outbox: 0n, state: 0n, inbox: 0n });
  });

  it('does not commit when a failed statement was caught and ignored', async () => {
    const run = bank.unitOfWork.run(aCause(), async (tx) => {
      await tx.append(account, 'ignored', 0n, [deposited('ignored')]);
      await tx.append(account, 'ignored', 0n, [deposited('ignored')]).catch(() => undefined);
    });
    await expect(run).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
    expect((await stored('ignored')).events).toBe(0n);
  });

  it('refuses a payload that does not fit its schema before anything reaches a table', async () => {
    const run = bank.unitOfWork.run(aCause(), async (tx) => {
      await tx.append(account, 'invalid', 0n, [
        deposited('invalid'),
        { type: 'AccountDeposited', payload: { owner_id: 'o', amount: 'five' } },
      ]);
    });
    await expect(run).rejects.toMatchObject({ code: 'PAYLOAD_INVALID' });
    expect((await stored('invalid')).events).toBe(0n);
  });

  it.each([
    ['an event that nobody declares', { type: 'Unknown', payload: {} }, 'EVENT_UNKNOWN'],
    ['a payload without its key', { type: 'AccountDeposited', payload: { amount: 1 } }, 'PAYLOAD_INVALID'],
    ['a payload that is no object', { type: 'AccountDeposited', payload: undefined }, 'PAYLOAD_INVALID'],
    ['a payload that JSON cannot hold', deposited('big', 1, { note: 1n }), 'PAYLOAD_INVALID'],
    ['a payload that no topic takes', deposited('big', 1, { note: 'x'.repeat(900_001) }), 'RECORD_TOO_LARGE'],
    ['text that jsonb cannot hold', deposited('zero', 1, { note: 'a\u0000b' }), 'STATE_INVALID'],
    [
      'a key that is wider than its column',
      { type: 'AccountDeposited', payload: { amount: 1, owner_id: 'k'.repeat(65) } },
      'STATE_INVALID',
    ],
  ])('refuses %s', async (_, event, code) => {
    const before = await bank.count('events');
    await expect(bank.unitOfWork.run(aCause(), (tx) => tx.append(account, 'bad', 0n, [event]))).rejects.toMatchObject({ code });
    expect(await bank.count('events')).toBe(before);
  });

  it('refuses an append that would leave a gap in the stream', async () => {
    await bank.unitOfWork.run(aCause(), (tx) => tx.append(account, 'gap', 0n, [deposited('gap')]));
    const run = bank.unitOfWork.run(aCause(), (tx) => tx.append(account, 'gap', 2n, [deposited('gap')]));
    await expect(run).rejects.toMatchObject({ code: 'VERSION_CONFLICT' });
  });

  it('refuses a version that another writer appended first', async () => {
    await bank.unitOfWork.run(aCause(), (tx) => tx.append(account, 'taken', 0n, [deposited('taken')]));
    const run = bank.unitOfWork.run(aCause(), (tx) => tx.append(account, 'taken', 0n, [deposited('taken')]));
    await expect(run).rejects.toMatchObject({ code: 'VERSION_CONFLICT' });
  });

  it('keeps versions without a gap under 20 writers of one stream (I5)', async () => {
    let tries = 0;
    const write = async (): Promise<void> => {
      for (;;) {
        tries += 1;
        try {
          await bank.unitOfWork.run(aCause(), async (tx) => {
            const { version } = await tx.load(account, 'crowd');
            await tx.append(account, 'crowd', version, [deposited('crowd', 1), deposited('crowd', 1)]);
          });
          return;
        } catch (error) {
          if ((error as { code?: string }).code !== 'VERSION_CONFLICT') throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: 20 }, write));

    const rows = await bank.database.query<OutboxRow>(
      "SELECT version, created_at FROM bank.outbox WHERE stream_id = 'crowd' ORDER BY version",
    );
    expect(rows.map((row) => row.version)).toEqual(Array.from({ length: 40 }, (_, index) => BigInt(index + 1)));
    const times = rows.map((row) => row.created_at);
    expect(times, 'times within a stream never fall').toEqual([...times].sort());
    expect(tries, 'writers met each other').toBeGreaterThan(20);
  });

  it('lets the times of a stream never fall, even when the later version belongs to the transaction that began first', async () => {
    await bank.unitOfWork.run(aCause(), async (early) => {
      await early.markProcessed('key:early');
      await bank.unitOfWork.run(aCause(), async (late) => {
        await late.load(account, 'overtaken');
        await late.append(account, 'overtaken', 0n, [deposited('overtaken')]);
      });
      const { version } = await early.load(account, 'overtaken');
      await early.append(account, 'overtaken', version, [deposited('overtaken')]);
    });
    const rows = await bank.database.query<OutboxRow>("SELECT created_at FROM bank.outbox WHERE stream_id = 'overtaken' ORDER BY version");
    const [first, second] = rows.map((row) => row.created_at);
    expect(second! > first!).toBe(true);
  });

  it('answers true to exactly one of many who mark one key at once, when the first commits', async () => {
    const marks = await Promise.all(Array.from({ length: 10 }, () => bank.unitOfWork.run(aCause(), (tx) => tx.markProcessed('key:race'))));
    expect(marks.filter((marked) => marked)).toHaveLength(1);
  });

  it('gives the key to the next one when its holder rolls back', async () => {
    let marked: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (marked = resolve));
    let fail: () => void = () => undefined;
    const failing = new Promise<void>((resolve) => (fail = resolve));
    const first = bank.unitOfWork.run(aCause(), async (tx) => {
      await tx.markProcessed('key:handover');
      marked();
      await failing;
      throw new Error('rolled back');
    });
    await held;
    const second = bank.unitOfWork.run(aCause(), (tx) => tx.markProcessed('key:handover'));
    fail();
    await expect(first).rejects.toThrow('rolled back');
    expect(await second).toBe(true);
  });

  it('lets nothing be written after a key turned out to be processed', async () => {
    await bank.unitOfWork.run(aCause(), (tx) => tx.markProcessed('key:again'));
    const run = bank.unitOfWork.run(aCause(), async (tx) => {
      expect(await tx.markProcessed('key:again')).toBe(false);
      await tx.append(account, 'again', 0n, [deposited('again')]);
    });
    await expect(run).rejects.toMatchObject({ code: 'DECISION_FAILED' });
  });

  it('writes with the key which step of which flow it stands for, and with the outcome what it keeps', async () => {
    const cause = aCause({ correlationId: 'flow-1', causationId: 'event-1' });
    await bank.unitOfWork.run(cause, async (tx) => {
      await tx.markProcessed('key:plain', { name: 'bank:AccountOpened', elapsedMs: 1_500 });
      await tx.markProcessed('key:outcome', { name: 'bank:AccountClosed', elapsedMs: 0 });
      await tx.keepOutcome('key:outcome', { result: { answer: 1 }, step: { status: 'waiting', compensation: { amount: 5 } } });
    });
    const rows = await bank.database.query(
      `SELECT flow_id, step, event_id, trace_id, status, compensation, result, processed_at - started_at >= interval '1.5 s' AS took
       FROM bank.processed_events WHERE idempotency_key IN ('key:plain', 'key:outcome') ORDER BY step DESC`,
    );
    const flow = { flow_id: 'flow-1', event_id: 'event-1', trace_id: cause.trace.traceId };
    expect(rows).toEqual([
      { ...flow, step: 'bank:AccountOpened', status: 'done', compensation: null, result: null, took: true },
      { ...flow, step: 'bank:AccountClosed', status: 'waiting', compensation: { amount: 5 }, result: { answer: 1 }, took: false },
    ]);
  });

  it('keeps no outcome with a key that it did not mark', async () => {
    await bank.unitOfWork.run(aCause(), (tx) => tx.markProcessed('key:others'));
    const run = bank.unitOfWork.run(aCause(), (tx) => tx.keepOutcome('key:others', { result: 1 }));
    await expect(run).rejects.toMatchObject({ code: 'DECISION_FAILED' });
  });

  it('fails no step because a foreign record names its flow by a text that is too long', async () => {
    const cause = aCause({ correlationId: 'f'.repeat(128), causationId: 'e'.repeat(128) });
    await bank.unitOfWork.run({ ...cause, trace: { ...cause.trace, traceId: 't'.repeat(128) } }, (tx) => tx.markProcessed('key:long'));
    const [row] = await bank.database.query<{ flow_id: string }>(
      "SELECT flow_id FROM bank.processed_events WHERE idempotency_key = 'key:long'",
    );
    expect(row?.flow_id).toBe('f'.repeat(64));
  });

  it('keeps the inbox row for 31 days', async () => {
    await bank.unitOfWork.run(aCause(), (tx) => tx.markProcessed('key:kept'));
    const [row] = await bank.database.query<{ kept: boolean }>(
      "SELECT expires_at - processed_at = interval '31 days' AS kept FROM bank.processed_events WHERE idempotency_key = 'key:kept'",
    );
    expect(row?.kept).toBe(true);
  });

  it('changes state rows as they are told, in their order, with values read by the column types', async () => {
    await bank.unitOfWork.run(aCause(), (tx) =>
      tx.change([
        { op: 'upsert', table: 'owners', key: { owner_id: `o'"\\` }, set: { nickname: 'first', since: '2026-03-01T09:00:00.000001Z' } },
        { op: 'upsert', table: 'accounts', key: { account_id: 'typed' }, set: { owner_id: 'o', tags: ['a', { b: 1 }], last_amount: null } },
        { op: 'update', table: 'owners', key: { owner_id: `o'"\\` }, set: { nickname: `'; DROP TABLE owners; --` } },
        { op: 'update', table: 'owners', key: { owner_id: 'nobody' }, set: { nickname: 'x' } },
        { op: 'upsert', table: 'owners', key: { owner_id: 'gone' }, set: {} },
        { op: 'delete', table: 'owners', key: { owner_id: 'gone' } },
      ]),
    );
    expect(await bank.database.query("SELECT * FROM bank.owners WHERE owner_id LIKE 'o%' OR owner_id IN ('gone', 'nobody')")).toEqual([
      { owner_id: `o'"\\`, nickname: `'; DROP TABLE owners; --`, since: '2026-03-01T09:00:00.000001Z' },
    ]);
    expect(await bank.database.query("SELECT * FROM bank.accounts WHERE account_id = 'typed'")).toEqual([
      { account_id: 'typed', owner_id: 'o', last_amount: null, tags: ['a', { b: 1 }], updated_at: null },
    ]);
  });

  it.each(['events', 'outbox', 'outbox_default', 'processed_events', 'other.accounts', 'accounts" --'])(
    'lets no state change touch %s',
    async (table) => {
      const run = bank.unitOfWork.run(aCause(), (tx) => tx.change([{ op: 'delete', table, key: { id: 'x' } }]));
      await expect(run).rejects.toMatchObject({ code: 'DECISION_FAILED' });
    },
  );
});

describe('snapshots', () => {
  let bank: Bank;
  beforeAll(async () => {
    bank = await openBank('snap', { snapshotEvery: 10 });
  });
  afterAll(() => bank.close());

  const fill = (id: string, from: bigint, count: number) =>
    bank.unitOfWork.run(aCause(), (tx) =>
      tx.append(
        account,
        id,
        from,
        Array.from({ length: count }, () => deposited(id, 2)),
      ),
    );

  const snapshotOf = (id: string) => bank.database.query('SELECT sequence_number, state FROM bank.snapshots WHERE aggregate_id = $1', [id]);

  it('are made when a stream passes a multiple of the interval, and renewed', async () => {
    await fill('made', 0n, 9);
    expect(await snapshotOf('made')).toEqual([]);
    await fill('made', 9n, 3);
    expect(await snapshotOf('made')).toEqual([{ sequence_number: 12n, state: { deposits: 12, total: 24 } }]);
    await bank.unitOfWork.run(aCause(), async (tx) => {
      const { version } = await tx.load(account, 'made');
      for (let index = 0n; index < 10n; index += 1n) await tx.append(account, 'made', version + index, [deposited('made', 3)]);
    });
    expect(await snapshotOf('made')).toEqual([{ sequence_number: 20n, state: { deposits: 20, total: 48 } }]);
    const { state, version } = await bank.unitOfWork.run(aCause(), (tx) => tx.load(account, 'made'));
    expect([state, version]).toEqual([{ deposits: 22, total: 54 }, 22n]);
  });

  it('are what loading starts from, and events before them are not read', async () => {
    await fill('planted', 0n, 12);
    await bank.database.execute(`UPDATE bank.snapshots SET state = '{"deposits": 0, "total": 1000}' WHERE aggregate_id = 'planted'`);
    await fill('planted', 12n, 1);
    const { state, version } = await bank.unitOfWork.run(aCause(), (tx) => tx.load(account, 'planted'));
    expect([state, version]).toEqual([{ deposits: 1, total: 1002 }, 13n]);
  });

  it('of another shape are not read, and are replaced', async () => {
    await fill('shape', 0n, 12);
    const reshaped = { ...account, stateVersion: 2 };
    await bank.database.execute(`UPDATE bank.snapshots SET state = '{"old": true}' WHERE aggregate_id = 'shape'`);
    const { state } = await bank.unitOfWork.run(aCause(), (tx) => tx.load(reshaped, 'shape'));
    expect(state).toEqual({ deposits: 12, total: 24 });
    await bank.unitOfWork.run(aCause(), (tx) =>
      tx.append(
        reshaped,
        'shape',
        12n,
        Array.from({ length: 8 }, () => deposited('shape')),
      ),
    );
    expect(await snapshotOf('shape')).toEqual([{ sequence_number: 20n, state: { deposits: 20, total: 64 } }]);
  });

  it('are not made of a state that JSON cannot hold', async () => {
    const withSet = { ...account, type: 'seen', initial: () => new Set<bigint>(), evolve: (state: Set<bigint>) => state, tables: () => [] };
    await bank.unitOfWork.run(aCause(), (tx) =>
      tx.append(
        withSet,
        'set',
        0n,
        Array.from({ length: 10 }, () => deposited('set')),
      ),
    );
    expect(await snapshotOf('set')).toEqual([]);
  });
});
