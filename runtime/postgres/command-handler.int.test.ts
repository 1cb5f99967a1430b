import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import type { Balance } from '../../test/support/bank-domain.ts';
import { deposit } from '../../test/support/bank-domain.ts';
import type { Bank } from '../../test/support/bank.ts';
import { aCause, openBank } from '../../test/support/bank.ts';
import type { CommandAnswer } from './command-handler.ts';
import { executeCommand } from './command-handler.ts';

describe('executing a command', () => {
  let bank: Bank;
  beforeAll(async () => {
    bank = await openBank('cmd', { poolMax: 20 });
  });
  afterAll(() => bank.close());

  const execute = (account_id: string, amount = 1, key?: string, requestHash = 'h1'): Promise<CommandAnswer> =>
    executeCommand(
      bank.unitOfWork,
      deposit,
      { account_id, owner_id: 'o', amount },
      aCause(),
      key === undefined ? undefined : { key, requestHash },
    );
  const versions = (id: string) =>
    bank.database.query('SELECT sequence_number AS v FROM bank.events WHERE aggregate_id = $1 ORDER BY v', [id]);

  it('accepts it and answers with what was appended', async () => {
    expect(await execute('plain')).toMatchObject({
      kind: 'accepted',
      events: [{ type: 'AccountDeposited', version: 1n }],
      result: { account_id: 'plain', deposits: 1 },
    });
  });

  it('answers a refusal and commits nothing, not even the idempotency key', async () => {
    expect(await execute('refused', -1, 'k-refused')).toEqual({
      kind: 'rejected',
      rejection: { rejected: 'negative_amount', detail: 'only positive amounts are deposited' },
    });
    expect(await versions('refused')).toEqual([]);
    expect((await execute('refused', 1, 'k-refused')).kind).toBe('accepted');
  });

  it('answers a repeated key with the first answer, and another body with a mismatch', async () => {
    await execute('repeated', 1, 'k-repeated');
    await execute('repeated', 1);
    expect(await execute('repeated', 1, 'k-repeated')).toEqual({ kind: 'repeated', result: { account_id: 'repeated', deposits: 1 } });
    expect(await execute('repeated', 2, 'k-repeated', 'h2')).toEqual({ kind: 'mismatch' });
    expect(await versions('repeated')).toHaveLength(2);
  });

  it('has one effect for many requests with one key at once; the others wait for its answer', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => execute('rush', 1, 'k-rush')));
    expect(answers.map(({ kind }) => kind).sort()).toEqual(['accepted', ...Array<string>(9).fill('repeated')]);
    for (const answer of answers) expect(answer).toMatchObject({ result: { account_id: 'rush', deposits: 1 } });
    expect(await versions('rush')).toHaveLength(1);
  });

  it('is with its key the first step of the flow that it begins, and of none when it appends nothing', async () => {
    const answer = await execute('flow', 1, 'k-flow');
    const idle = { ...deposit, name: 'Look', decide: () => ({ events: [] }) };
    await executeCommand(bank.unitOfWork, idle, { account_id: 'flow', owner_id: 'o', amount: 1 }, aCause(), {
      key: 'k-idle',
      requestHash: 'h',
    });
    const rows = await bank.database.query(
      `SELECT step, flow_id, event_id, status, trace_id IS NOT NULL AS traced, started_at <= processed_at AS timed
       FROM bank.processed_events WHERE idempotency_key IN ('command:k-flow', 'command:k-idle') ORDER BY idempotency_key`,
    );
    const common = { event_id: null, status: 'done', traced: true, timed: true };
    expect(rows).toEqual([
      { step: 'deposit', flow_id: answer.kind === 'accepted' ? answer.events[0]?.id : '', ...common },
      { step: 'Look', flow_id: null, ...common },
    ]);
  });

  it('keeps keys of commands apart from the keys of reactions', async () => {
    await bank.unitOfWork.run(aCause(), (tx) => tx.markProcessed('scan:classify:1'));
    expect((await execute('apart', 1, 'scan:classify:1')).kind).toBe('accepted');
  });

  it('decides again when another writer was faster, so that 20 at once all get their turn (I5)', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => execute('crowd')));
    expect(answers.map(({ kind }) => kind)).toEqual(Array<string>(20).fill('accepted'));
    const results = answers.map((answer) => (answer.kind === 'accepted' ? (answer.result as { deposits: number }).deposits : 0));
    expect(
      results.sort((a, b) => a - b),
      'each decided over the state that the one before it left',
    ).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  });

  it('gives up after its attempts, and repeats nothing that no repetition heals', async () => {
    let attempts = 0;
    const failing = (code: 'VERSION_CONFLICT' | 'STATE_INVALID') => ({
      domain: 'bank',
      run: () => {
        attempts += 1;
        return Promise.reject(new ClassifiedError(code, 'as the test says'));
      },
    });
    const input = { account_id: 'x', owner_id: 'o', amount: 1 };
    const run = (code: 'VERSION_CONFLICT' | 'STATE_INVALID') =>
      executeCommand(failing(code), deposit, input, aCause(), undefined, { attempts: 3, random: () => 0 });
    await expect(run('VERSION_CONFLICT')).rejects.toMatchObject({ code: 'VERSION_CONFLICT' });
    expect(attempts).toBe(3);
    await expect(run('STATE_INVALID')).rejects.toMatchObject({ code: 'STATE_INVALID' });
    expect(attempts).toBe(4);
  });

  it('fails as DECISION_FAILED when the decision throws, and for a command of another domain', async () => {
    const broken = {
      ...deposit,
      decide: () => {
        throw new TypeError('secret-value');
      },
    };
    const input = { account_id: 'x', owner_id: 'o', amount: 1 };
    const error: unknown = await executeCommand(bank.unitOfWork, broken, input, aCause()).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'DECISION_FAILED' });
    expect((error as Error).message).not.toContain('secret-value');
    await expect(executeCommand(bank.unitOfWork, { ...deposit, domain: 'other' }, input, aCause())).rejects.toMatchObject({
      code: 'DECISION_FAILED',
    });
  });

  describe('with a key', () => {
    const several = (count: number) => ({
      ...deposit,
      decide: (state: Balance, command: { account_id: string; owner_id: string; amount: number }) => ({
        events: Array.from({ length: count }, (_, index) => ({ type: 'AccountDeposited', payload: { ...command, amount: index } })),
        changes: [
          // On the row that the events write, on another one, and on one that is not there.
          { op: 'update' as const, table: 'accounts', key: { account_id: command.account_id }, set: { tags: { count } } },
          { op: 'upsert' as const, table: 'owners', key: { owner_id: `owner of ${command.account_id}` }, set: { nickname: 'n' } },
          { op: 'delete' as const, table: 'owners', key: { owner_id: 'nobody' } },
        ],
        result: { deposits: state.deposits },
        step: { status: 'half', compensation: { back: count } },
      }),
    });
    const upsertTwice = {
      ...deposit,
      decide: (_state: Balance, command: { account_id: string }) => ({
        events: [],
        changes: [
          { op: 'delete' as const, table: 'accounts', key: { account_id: command.account_id } },
          { op: 'upsert' as const, table: 'accounts', key: { account_id: command.account_id }, set: { owner_id: 'again' } },
        ],
      }),
    };

    /** Every row of the account, with what no two commands share put out of sight. */
    async function rowsOf(id: string): Promise<string> {
      const queries = [
        'SELECT to_jsonb(t) AS row FROM bank.events AS t WHERE aggregate_id = $1 ORDER BY sequence_number',
        'SELECT to_jsonb(t) AS row FROM bank.outbox AS t WHERE stream_id = $1 ORDER BY version',
        'SELECT to_jsonb(t) AS row FROM bank.accounts AS t WHERE account_id = $1',
        "SELECT to_jsonb(t) AS row FROM bank.owners AS t WHERE owner_id = 'owner of ' || $1",
        'SELECT to_jsonb(t) AS row FROM bank.snapshots AS t WHERE aggregate_id = $1',
        "SELECT to_jsonb(t) AS row FROM bank.processed_events AS t WHERE idempotency_key LIKE 'command:' || $1 || '%' ORDER BY idempotency_key",
      ];
      const rows = await Promise.all(queries.map((query) => bank.database.query<{ row: unknown }>(query, [id])));
      const ids = new Map<string, string>();
      return JSON.stringify(rows, undefined, 1)
        .replaceAll(id, 'the account')
        .replaceAll(
          /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g,
          (uuid) => ids.get(uuid) ?? (ids.set(uuid, `id ${ids.size}`), `id ${ids.size - 1}`),
        )
        .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+\+00:00/g, 'a time');
    }

    it('leaves in one statement what it leaves in a transaction, whatever is decided', async () => {
      const cause = aCause();
      const inTransactions = { ...bank.unitOfWork, commands: undefined } as unknown as typeof bank.unitOfWork;
      const input = (account_id: string, amount = 1) => ({ account_id, owner_id: 'o', amount });
      const both = async (unitOfWork: typeof bank.unitOfWork, id: string) => {
        const run = async (command: typeof deposit, name: string, amount?: number) =>
          executeCommand(unitOfWork, command, input(id, amount), cause, { key: `${id} ${name}`, requestHash: 'h' }).then(
            (answer) => answer.kind,
            (error: unknown) => (error instanceof ClassifiedError ? error.code : error),
          );
        const answers = [
          await run(deposit, 'one'),
          await run(deposit, 'one'),
          await run(deposit, 'refused', -1),
          await run(several(3), 'several'),
          await run(several(0), 'none'),
          // The database refuses the row, the schema the payload, and one statement the order of the changes.
          await run(deposit, 'too much', 2_000_000),
          await run(deposit, 'no number', 'x' as unknown as number),
          await run(upsertTwice, 'twice'),
          await run(several(120), 'snapshot'),
          await run(deposit, 'after the snapshot'),
        ];
        return { answers, rows: await rowsOf(id) };
      };
      const [statement, transaction] = [await both(bank.unitOfWork, 'acc-one'), await both(inTransactions, 'acc-two')];
      expect(statement.answers).toEqual([
        'accepted',
        'repeated',
        'rejected',
        'accepted',
        'accepted',
        'STATE_INVALID',
        'PAYLOAD_INVALID',
        'accepted',
        'accepted',
        'accepted',
      ]);
      expect(statement).toEqual(transaction);
      expect(statement.rows).toContain('"sequence_number": 124');
    });

    it('begins no transaction of several statements, unless their order matters', async () => {
      let transactions = 0;
      const counting = {
        ...bank.unitOfWork,
        run: ((cause, work) => ((transactions += 1), bank.unitOfWork.run(cause, work))) as typeof bank.unitOfWork.run,
      };
      const input = { account_id: 'counted', owner_id: 'o', amount: 1 };
      await executeCommand(counting, deposit, input, aCause(), { key: 'k-counted', requestHash: 'h' });
      await executeCommand(counting, deposit, input, aCause(), { key: 'k-counted', requestHash: 'h' });
      expect(transactions).toBe(0);
      await executeCommand(counting, upsertTwice, input, aCause(), { key: 'k-ordered', requestHash: 'h' });
      expect(transactions).toBe(1);
    });
  });
});
