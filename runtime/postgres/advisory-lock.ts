import { ClassifiedError } from '../../core/errors.ts';
import { PostgresFault } from './classify-postgres-error.ts';
import type { TransactionSession } from './database.ts';

/** Apart from the advisory locks of others in the same database. */
const PREFIX = 'millrace decision ';
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Takes the name until the transaction ends. One statement when it is free. Names are told apart by 64 bits: two that meet wait
 * for each other, which is all. Rejects with LOCK_TIMEOUT, or as the session does.
 */
export async function takeAdvisoryLock(session: TransactionSession, name: string, waitMs: number): Promise<void> {
  const values = [`${PREFIX}${name}`];
  const [tried] = await session.query<{ taken: boolean }>('SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS taken', values);
  if (tried?.taken === true) return;
  try {
    await session.waiting(waitMs, 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', values);
  } catch (error) {
    const timedOut =
      error instanceof ClassifiedError && error.cause instanceof PostgresFault && error.cause.sqlState === LOCK_NOT_AVAILABLE;
    if (!timedOut) throw error;
    throw new ClassifiedError('LOCK_TIMEOUT', `the lock was not free within ${waitMs} ms`, { cause: error });
  }
}
