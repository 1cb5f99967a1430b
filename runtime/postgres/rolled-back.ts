import type { Database, TransactionSession } from './database.ts';

/** Runs `work` in a transaction that is always rolled back, after checking the constraints that a commit would check. */
export async function rolledBack<T>(
  database: Pick<Database, 'transaction'>,
  work: (session: TransactionSession) => Promise<T>,
): Promise<T> {
  try {
    return await database.transaction(async (session) => {
      const value = await work(session);
      await session.query('SET CONSTRAINTS ALL IMMEDIATE');
      throw new RolledBack(value);
    });
  } catch (thrown) {
    if (thrown instanceof RolledBack) return thrown.value as T;
    throw thrown;
  }
}

/** Carries the result out of a transaction that must not commit. */
class RolledBack extends Error {
  readonly value: unknown;

  constructor(value: unknown) {
    super('the transaction was rolled back on purpose');
    this.value = value;
  }
}
