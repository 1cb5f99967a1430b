import { defineEvent, defineProcessor, defineReaction } from '../../core/define.ts';
import type { AvroRecord } from '../../schemas/avro-schema.ts';
import { AccountDeposited, account } from '../support/bank-domain.ts';

/** What is ordered at a bank: the n-th deposit of an owner. */
export interface Order {
  readonly owner_id: string;
  readonly n: number;
  /** `poison` is never decided; `flaky` fails at its first attempt; `called` declares a call. */
  readonly kind: 'plain' | 'flaky' | 'poison' | 'called';
}

export const DepositOrdered = defineEvent<'DepositOrdered', Order>({ type: 'DepositOrdered', domain: 'shop', keyField: 'owner_id' });

export const ORDER_SCHEMA: AvroRecord = {
  type: 'record',
  name: 'DepositOrdered',
  fields: [
    { name: 'owner_id', type: 'string' },
    { name: 'n', type: 'int' },
    { name: 'kind', type: 'string' },
  ],
};

/** Each order is deposited once: the event says by which order it was made. */
export const depositing = defineProcessor({
  domain: 'bank',
  reactions: [
    defineReaction({
      on: DepositOrdered,
      aggregate: account,
      aggregateId: ({ payload }) => payload.owner_id,
      idempotencyKey: ({ id }) => `bank:${id}`,
      call: {
        name: 'classify',
        request: ({ payload }) => (payload.kind === 'called' ? { imageUrl: 'https://cdn.example/1.jpg', userInput: undefined } : undefined),
        timeoutMs: 5_000,
      },
      decide: ({ event: { id, payload } }) => {
        if (payload.kind === 'poison') throw new Error('this order cannot be decided');
        const { owner_id, n } = payload;
        return { events: [{ type: AccountDeposited.type, payload: { account_id: owner_id, owner_id, amount: n, note: id } }] };
      },
    }),
  ],
});
