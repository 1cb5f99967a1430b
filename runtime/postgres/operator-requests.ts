import type { Json } from '../../core/json.ts';
import type { Database } from './database.ts';

export type Claim =
  /** Nobody else works on it now. `requestId` is the same whenever it is claimed; `isFirst`: it was never before. */
  | { readonly kind: 'claimed'; readonly requestId: string; readonly isFirst: boolean }
  /** It was answered. */
  | { readonly kind: 'answered'; readonly answer: Json }
  /** The key was used for another request. */
  | { readonly kind: 'mismatch' }
  /** Somebody works on it, or died a moment ago. */
  | { readonly kind: 'in-progress' };

/** As long as the inbox remembers the keys of commands. */
const KEPT_DAYS = 31;

/**
 * Remembers requests of operators by their idempotency keys, in the platform's database. What such a request does takes several
 * transactions: it is claimed for a while, done, and answered; whoever claims it after a crash finds by its id what was done.
 * Everything rejects with POSTGRES_UNAVAILABLE.
 */
export class OperatorRequests {
  private readonly platform: Database;

  constructor(platform: Database) {
    this.platform = platform;
  }

  async claim(key: string, requestHash: string, forMs: number): Promise<Claim> {
    await this.platform.execute(`DELETE FROM millrace.operator_requests WHERE created_at < now() - make_interval(days => $1)`, [KEPT_DAYS]);
    const [claimed] = await this.platform.query<{ request_id: string; is_first: boolean }>(
      `INSERT INTO millrace.operator_requests AS r (idempotency_key, request_hash, claimed_until)
       VALUES ($1, $2, now() + $3::float8 * interval '1 millisecond')
       ON CONFLICT (idempotency_key) DO UPDATE SET claimed_until = EXCLUDED.claimed_until
        WHERE r.request_hash = EXCLUDED.request_hash AND r.answer IS NULL AND r.claimed_until < now()
       RETURNING request_id, xmax = 0 AS is_first`,
      [key, requestHash, forMs],
    );
    if (claimed !== undefined) return { kind: 'claimed', requestId: claimed.request_id, isFirst: claimed.is_first };
    const [known] = await this.platform.query<{ request_hash: string; answer: Json | null }>(
      'SELECT request_hash, answer FROM millrace.operator_requests WHERE idempotency_key = $1',
      [key],
    );
    if (known !== undefined && known.request_hash !== requestHash) return { kind: 'mismatch' };
    return known === undefined || known.answer === null ? { kind: 'in-progress' } : { kind: 'answered', answer: known.answer };
  }

  /** The first answer stays. */
  async answer(key: string, answer: Json): Promise<void> {
    await this.platform.execute('UPDATE millrace.operator_requests SET answer = $2::jsonb WHERE idempotency_key = $1 AND answer IS NULL', [
      key,
      JSON.stringify(answer),
    ]);
  }

  /** It failed: the next one need not wait until the claim is over. */
  async release(key: string): Promise<void> {
    await this.platform.execute(
      `UPDATE millrace.operator_requests SET claimed_until = now() - interval '1 second' WHERE idempotency_key = $1 AND answer IS NULL`,
      [key],
    );
  }

  /** How many letters were replayed with this detail in their audit. */
  async replayedWith(detail: string): Promise<number> {
    const [row] = await this.platform.query<{ letters: number }>(
      `SELECT count(*)::int AS letters FROM millrace.dead_letter_audit
       WHERE action = 'replayed' AND detail = $1 AND created_at > now() - make_interval(days => $2)`,
      [detail, KEPT_DAYS],
    );
    return row?.letters ?? 0;
  }
}
