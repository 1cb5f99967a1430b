import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { account, bankCatalogue } from '../../test/support/bank-domain.ts';
import type { Bank } from '../../test/support/bank.ts';
import { aCause, openBank } from '../../test/support/bank.ts';
import { stateAt } from './aggregate-loader.ts';
import { createHistory } from './history.ts';

const deposited = (account_id: string, amount: number) => ({
  type: 'AccountDeposited',
  payload: { account_id, owner_id: 'owner-1', amount },
});

describe('the history of a domain', () => {
  let bank: Bank;
  beforeAll(async () => {
    bank = await openBank('hist');
  });
  afterAll(() => bank.close());

  const append = (id: string, from: bigint, ...amounts: number[]) =>
    bank.unitOfWork.run(aCause({ causationId: 'cause-1' }), async (tx) => {
      await tx.load(account, id);
      return tx.append(
        account,
        id,
        from,
        amounts.map((amount) => deposited(id, amount)),
      );
    });
  const history = () => createHistory({ databases: new Map([['bank', bank.database]]), catalogue: bankCatalogue });
  const query = { domain: 'bank', types: ['AccountDeposited'] };

  it('gives stored events as the broker would: the envelope of the outbox row, the payload, the time', async () => {
    const [appended] = await append('same', 0n, 5);
    const [event] = await history().events({ ...query, aggregateType: 'account', aggregateId: 'same' });
    const [row] = await bank.database.query<Record<string, unknown>>('SELECT * FROM bank.outbox WHERE id = $1', [appended?.id]);
    expect(event).toEqual({
      id: row?.['id'],
      type: row?.['type'],
      aggregateType: row?.['aggregatetype'],
      aggregateId: row?.['aggregateid'],
      streamId: row?.['stream_id'],
      version: row?.['version'],
      traceId: row?.['trace_id'],
      requestId: row?.['request_id'],
      traceparent: row?.['traceparent'],
      tracestate: undefined,
      correlationId: row?.['correlation_id'],
      causationId: row?.['causation_id'],
      occurredAt: row?.['created_at'],
      payload: row?.['payload'],
    });
  });

  it('orders events by time and, within a stream, by version even where the clock went back', async () => {
    await append('first', 0n, 1, 2);
    await append('second', 0n, 3);
    await append('first', 2n, 4);
    await bank.database.execute(
      `INSERT INTO bank.events (event_id, aggregate_type, aggregate_id, sequence_number, event_type, payload, created_at)
       VALUES (gen_random_uuid(), 'account', 'first', 4, 'AccountDeposited', '{"owner_id": "o", "amount": 5}', '2020-01-01T00:00:00Z')`,
    );
    const events = await history().events(query);
    const order = events.filter(({ streamId }) => streamId !== 'same').map(({ streamId, version }) => `${streamId} ${version}`);
    expect(order).toEqual(['first 1', 'first 2', 'second 1', 'first 3', 'first 4']);
  });

  it('keeps to types, stream and time of the query: from inclusive, before exclusive', async () => {
    await append('timed', 0n, 1);
    await append('timed', 1n, 2);
    const all = await history().events({ ...query, aggregateId: 'timed' });
    const [first, second] = all.map(({ occurredAt }) => occurredAt);
    const between = await history().events({ ...query, aggregateId: 'timed', occurredFrom: first!, occurredBefore: second! });
    expect(between.map(({ version }) => version)).toEqual([1n]);
    expect(await history().events({ ...query, types: ['Other'] })).toEqual([]);
    expect(await history().events({ ...query, aggregateType: 'other' })).toEqual([]);
  });

  it('comes in pages as the same events, however many have one time, each by a statement that reads no more than its page', async () => {
    await append('paged', 0n, 1, 2, 3, 4, 5);
    await append('paged', 5n, 6);
    await append('paged too', 0n, 7, 8);
    const statements: number[] = [];
    const counting = {
      ...bank.database,
      query: async (text: string, values: readonly unknown[]) => {
        const rows = await bank.database.query(text, values);
        statements.push(rows.length);
        return rows;
      },
    } as unknown as typeof bank.database;
    for (const pageMax of [1, 2, 4, 100]) {
      const paged = createHistory({ databases: new Map([['bank', counting]]), catalogue: bankCatalogue, pageMax });
      const found = [];
      for await (const page of paged.pages({ ...query, aggregateType: 'account' })) found.push(...page);
      const all = await history().events({ ...query, aggregateType: 'account' });
      expect(found.map(({ id }) => id).sort(), `pages of ${pageMax}`).toEqual(all.map(({ id }) => id).sort());
      expect(found.map(({ occurredAt }) => occurredAt)).toEqual(found.map(({ occurredAt }) => occurredAt).sort());
      expect(Math.max(...statements.splice(0))).toBeLessThanOrEqual(pageMax);
    }
    const none = [];
    for await (const page of history().pages({ ...query, types: ['Other'] })) none.push(page);
    expect(none).toEqual([]);
  });

  it('refuses a domain without a database', async () => {
    await expect(history().events({ domain: 'none', types: [] })).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
  });

  it('gives the state of an aggregate at any time, whatever its snapshot says', async () => {
    await append('past', 0n, 1);
    await append('past', 1n, 10);
    await append('past', 2n, 100);
    const times = (await history().events({ ...query, aggregateId: 'past' })).map(({ occurredAt }) => occurredAt);
    const totalAt = async (timestamp: string) => (await stateAt(bank.database, 'bank', account, 'past', timestamp)).state.total;
    expect(await totalAt('2020-01-01T00:00:00Z')).toBe(0);
    expect(await totalAt(times[0]!)).toBe(1);
    expect(await totalAt(times[1]!)).toBe(11);
    expect(await totalAt('2999-01-01T00:00:00Z')).toBe(111);
    expect((await stateAt(bank.database, 'bank', account, 'nobody', times[0]!)).version).toBe(0n);
  });

  it('does not fold a stream from which an event was taken out', async () => {
    await append('holed', 0n, 1, 2, 3);
    await bank.database.transaction(async (session) => {
      await session.execute('SET LOCAL session_replication_role = replica');
      await session.execute("DELETE FROM bank.events WHERE aggregate_id = 'holed' AND sequence_number = 2");
    });
    await expect(bank.unitOfWork.run(aCause(), (tx) => tx.load(account, 'holed'))).rejects.toMatchObject({ code: 'STATE_INVALID' });
  });
});
