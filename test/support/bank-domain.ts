import type { PayloadValidator } from '../../core/codec.ts';
import type { AggregateDefinition, CommandDefinition, DomainDefinition, EventDefinition, StoredEvent } from '../../core/define.ts';
import { defineCommand, defineDomain, defineEvent } from '../../core/define.ts';
import { ClassifiedError } from '../../core/errors.ts';

/** A domain small enough to see through: accounts that count deposits. */
interface Deposited {
  readonly account_id: string;
  readonly owner_id: string;
  readonly amount: number;
  readonly note?: string;
}

export const AccountDeposited = defineEvent<'AccountDeposited', Deposited>({
  type: 'AccountDeposited',
  domain: 'bank',
  keyField: 'owner_id',
});

export interface Balance {
  readonly deposits: number;
  readonly total: number;
}

export const account: AggregateDefinition<Balance, StoredEvent<'AccountDeposited', Deposited>> = {
  type: 'account',
  initial: () => ({ deposits: 0, total: 0 }),
  evolve: (state, event) => ({ deposits: state.deposits + 1, total: state.total + event.payload.amount }),
  tables: (event, id) => [
    {
      op: 'upsert',
      table: 'accounts',
      key: { account_id: id },
      set: { owner_id: event.payload.owner_id, last_amount: event.payload.amount, updated_at: event.occurredAt },
    },
  ],
};

export const bank: DomainDefinition = defineDomain({ name: 'bank', events: [AccountDeposited], aggregates: [account], captured: true });
export const bankCatalogue: ReadonlyMap<string, EventDefinition> = new Map([[AccountDeposited.type, AccountDeposited]]);

/** Stands in for the schemas: the amount is a number. */
export const bankValidator: PayloadValidator = {
  validate: (type, payload) => {
    if (typeof (payload as Partial<Deposited>).amount !== 'number')
      throw new ClassifiedError('PAYLOAD_INVALID', `${type}.amount is no number`);
  },
};

export const deposit: CommandDefinition<Deposited, Balance, StoredEvent<'AccountDeposited', Deposited>> = defineCommand({
  name: 'deposit',
  domain: 'bank',
  aggregate: account,
  aggregateId: (command) => command.account_id,
  decide: (state, command) =>
    command.amount < 0
      ? { rejected: 'negative_amount', detail: 'only positive amounts are deposited' }
      : {
          events: [{ type: AccountDeposited.type, payload: command }],
          result: { account_id: command.account_id, deposits: state.deposits + 1 },
        },
});

/** State tables of the domain, as a migration file. */
export const BANK_MIGRATION = `
CREATE TABLE accounts (
  account_id varchar(64) PRIMARY KEY, owner_id varchar(64) NOT NULL, last_amount bigint CHECK (last_amount < 1000000),
  tags jsonb, updated_at timestamptz
);
CREATE TABLE owners (owner_id varchar(64) PRIMARY KEY, nickname text, since timestamptz);
`;
