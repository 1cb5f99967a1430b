import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../core/json.ts';
import { defineCommand } from '../../core/define.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { Balance } from '../../test/support/bank-domain.ts';
import { account, bank as bankDomain, bankCatalogue, bankValidator } from '../../test/support/bank-domain.ts';
import { NEVER, bankSteps, depositStep } from '../../test/support/bank-steps.ts';
import type { Bank } from '../../test/support/bank.ts';
import { aCause, openBank } from '../../test/support/bank.ts';
import { eventually } from '../../test/support/eventually.ts';
import { executeCommand } from './command-handler.ts';
import type { Database, DatabaseOptions } from './database.ts';
import { createDatabase } from './database.ts';
import type { PostgresUnitOfWork, UnitOfWorkOptions } from './unit-of-work.ts';
import { createUnitOfWork } from './unit-of-work.ts';

const ACCOUNTS_MAX = 5;

interface OpenAccount {
  readonly account_id: string;
  readonly owner_id: string;
}

/** A limit over several aggregates: no stream's version can guard it. */
const openAccount = defineCommand({
  name: 'OpenAccount',
  domain: 'bank',
  aggregate: account,
  aggregateId: (command: OpenAccount) => command.account_id,
  lock: (command) => `accounts of ${command.owner_id}`,
  rows: ({ owner_id }) => ({ table: 'accounts', where: { owner_id } }),
  decide: (_state: Balance, command, rows) =>
    rows.length >= ACCOUNTS_MAX
      ? { rejected: 'too_many_accounts', detail: 'An owner has five accounts at most.' }
      : { events: [{ type: 'AccountDeposited', payload: { ...command, amount: 0 } }] },
});

describe('a decision under a lock', () => {
  let bank: Bank;
  const open: Database[] = [];
  beforeAll(async () => {
    bank = await openBank('locks');
  });
  afterAll(async () => {
    await Promise.all(open.map((database) => database.stop()));
    await bank.close();
  });

  /** Connections and a unit of work of its own, as another process has them. */
  const process = (options: Partial<UnitOfWorkOptions & DatabaseOptions> = {}): PostgresUnitOfWork => {
    const database = createDatabase({ url: bank.url, domain: 'bank', poolMax: 25, logger: SILENT_LOGGER, ...options });
    open.push(database);
    const lockTimeoutMs = options.lockTimeoutMs ?? 10_000;
    return createUnitOfWork({
      database,
      domain: bankDomain,
      catalogue: bankCatalogue,
      validator: bankValidator,
      logger: SILENT_LOGGER,
      lockTimeoutMs,
    });
  };
  /** Somebody holds the lock until the returned function is called. */
  const held = async (name: string): Promise<() => Promise<void>> => {
    let taken: () => void = () => undefined;
    let release: () => void = () => undefined;
    const isTaken = new Promise<void>((resolve) => (taken = resolve));
    const holding = bank.unitOfWork.run(aCause(), async (tx) => {
      await tx.lock(name);
      taken();
      await new Promise<void>((resolve) => (release = resolve));
    });
    await isTaken;
    return async () => {
      release();
      await holding;
    };
  };

  it('keeps a limit over several aggregates, however many ask at once in two processes', async () => {
    const two = [process(), process()] as const;
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        executeCommand(two[n % 2]!, openAccount, { account_id: `limit-${n}`, owner_id: 'limited' }, aCause()),
      ),
    );
    const kinds = answers.map(({ kind }) => kind).sort();
    expect(kinds).toEqual([...Array<string>(ACCOUNTS_MAX).fill('accepted'), ...Array<string>(40 - ACCOUNTS_MAX).fill('rejected')]);
    const rows = await bank.database.query("SELECT 1 FROM bank.accounts WHERE owner_id = 'limited'");
    expect(rows).toHaveLength(ACCOUNTS_MAX);
  });

  it('keeps it for reactions too, which then have transactions of their own', async () => {
    const two = [bankSteps(bank), bankSteps(bank)] as const;
    const step = (n: number) => ({
      ...depositStep({ key: `limit-step-${n}`, account: `limit-step-${n}`, lock: 'accounts of owner-1' }),
      rows: { table: 'accounts', where: { owner_id: 'owner-1' } },
      decide: (_state: unknown, rows: readonly JsonObject[]) =>
        rows.length >= ACCOUNTS_MAX
          ? { events: [] }
          : { events: [{ type: 'AccountDeposited', payload: { account_id: `limit-step-${n}`, owner_id: 'owner-1', amount: 0 } }] },
    });
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, n) => two[n % 2]!.commit(step(n), NEVER)));
    expect(outcomes.filter((outcome) => outcome.kind === 'committed' && outcome.events === 1)).toHaveLength(ACCOUNTS_MAX);
    await Promise.all(two.map((each) => each.stop()));
  });

  it('waits for its lock a bounded time, then fails in a way that comes again, and leaves nothing', async () => {
    const release = await held('accounts of waiting');
    const impatient = process({ lockTimeoutMs: 150 });
    const opening = executeCommand(impatient, openAccount, { account_id: 'waiting', owner_id: 'waiting' }, aCause());
    await expect(opening).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', disposition: 'retry-ladder' });
    await release();
    expect(await bank.database.query("SELECT 1 FROM bank.events WHERE aggregate_id = 'waiting'")).toEqual([]);
    expect((await executeCommand(impatient, openAccount, { account_id: 'waiting', owner_id: 'waiting' }, aCause())).kind).toBe('accepted');
  });

  it('waits for it longer than any statement may take, and other statements keep their limits', async () => {
    const release = await held('accounts of patient');
    const database = createDatabase({
      url: bank.url,
      domain: 'bank',
      statementTimeoutMs: 200,
      silenceMarginMs: 200,
      logger: SILENT_LOGGER,
    });
    open.push(database);
    const settled: string[] = [];
    const waiting = database.transaction(async (session) => {
      await session.waiting(10_000, 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', ['millrace decision accounts of patient']);
      settled.push('taken');
      const [limits] = await session.query(
        "SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock",
      );
      return limits;
    });
    await eventually(async () => {
      const [row] = await bank.database.query<{ long: boolean }>(
        `SELECT now() - query_start > interval '1 s' AS long FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      );
      return row?.long === true;
    });
    expect(settled).toEqual([]);
    await release();
    expect(await waiting).toEqual({ statement: '200ms', lock: '0' });
  });

  it('asks for rows only where it holds a lock, of its own state tables, and not for all of them', async () => {
    expect(() => defineCommand({ ...openAccount, lock: undefined as never })).toThrow('holds no lock');
    const ask = (table: string, where: JsonObject) => bank.unitOfWork.run(aCause(), (tx) => tx.rows({ table, where }));
    await expect(ask('events', { event_type: 'x' })).rejects.toMatchObject({ code: 'DECISION_FAILED' });
    await expect(ask('accounts', {})).rejects.toMatchObject({ code: 'DECISION_FAILED' });
    await bank.database.execute("INSERT INTO bank.owners SELECT 'many-' || i, 'many' FROM generate_series(1, 1001) AS i");
    await expect(ask('owners', { nickname: 'many' })).rejects.toMatchObject({ code: 'STATE_INVALID' });
    expect(await ask('owners', { owner_id: 'many-7', nickname: 'many' })).toEqual([{ owner_id: 'many-7', nickname: 'many', since: null }]);
  });
});
