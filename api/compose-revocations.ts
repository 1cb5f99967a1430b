import type { Revocation } from '../core/access-token.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { RevocationStore } from '../projectors/redis/revocation-store.ts';
import type { Database } from '../runtime/postgres/database.ts';
import { forgetExpiredRevocations, liveRevocations, readRevocations } from '../runtime/postgres/revocations.ts';
import type { Revocations } from './ports.ts';
import { createReadWithFallback } from './read-with-fallback.ts';
import type { TokenClaims } from './verify-token.ts';
import { WhileAway } from './while-away.ts';

/** A write beside an answer may hold it up for no longer. */
const REFUSE_WITHIN_MS = 500;

export interface RevocationsOptions {
  readonly store: RevocationStore;
  readonly database: Database;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * Redis says what is refused; the auth database, when Redis is away or has lost something, which is then filled again. While
 * both are away the signature is trusted, as for the user directory: tokens live for an hour, and the outage of one database
 * must not stop the commands of all others.
 */
export function composeRevocations({ store, database, metrics, logger, clock }: RevocationsOptions): Revocations {
  const read = createReadWithFallback({ metrics, logger });
  const whileAway = new WhileAway(clock, { answerWithinMs: 1_000, awayForMs: 2_000 });
  let filling: Promise<void> | undefined;

  const fill = async (): Promise<void> => {
    for await (const page of liveRevocations(database)) await store.keep(page);
    await store.seal();
  };

  return {
    async isRevoked(claims) {
      const wanted = namesOf(claims);
      if (wanted.length === 0) return false;
      const found = await read({
        query: 'revocations',
        readModel: async () => {
          const { revokedAtMs, isWhole } = await store.find(wanted);
          // What is there refuses, whatever else is missing.
          return isWhole || isRefused(wanted, revokedAtMs, claims) ? revokedAtMs : undefined;
        },
        writeDatabase: () => whileAway.ask(() => readRevocations(database, wanted), 'the table of revocations'),
        // One at a time for all who found that something is missing.
        fill: () => (filling ??= fill().finally(() => (filling = undefined))),
      });
      return isRefused(wanted, found.data, claims);
    },

    async refuse(revocations) {
      const late = new AbortController();
      try {
        await Promise.race([store.keep(revocations), clock.sleep(REFUSE_WITHIN_MS, late.signal)]);
      } catch (error) {
        // It is in the database, and comes to Redis with the event or the next filling.
        logger.warn({ 'log.logger': 'revocations' }, 'a revocation was not written to Redis at once', error);
      } finally {
        late.abort();
      }
      void forgetExpiredRevocations(database).catch((error: unknown) =>
        logger.warn({ 'log.logger': 'revocations' }, 'expired revocations were not removed', error),
      );
    },
  };
}

type Name = Pick<Revocation, 'of' | 'id'>;

function namesOf({ tokenId, sessionId }: TokenClaims): Name[] {
  return [
    ...(tokenId === undefined ? [] : [{ of: 'token', id: tokenId } as const]),
    ...(sessionId === undefined ? [] : [{ of: 'session', id: sessionId } as const]),
  ];
}

function isRefused(wanted: readonly Name[], revokedAtMs: readonly (number | undefined)[] | undefined, claims: TokenClaims): boolean {
  return wanted.some((name, index) => refuses(name, revokedAtMs?.[index], claims));
}

/** A token that was issued after its session had ended here is of one that goes on elsewhere. */
function refuses({ of }: Name, revokedAtMs: number | undefined, { issuedAtMs }: TokenClaims): boolean {
  if (revokedAtMs === undefined) return false;
  return of === 'token' || issuedAtMs === undefined || issuedAtMs <= revokedAtMs;
}
