import type { Revocation } from '../../core/access-token.ts';
import { revocationsOfLogOut } from '../../core/access-token.ts';
import type { RedisMutation } from '../../core/define-projection.ts';
import { defineProjection } from '../../core/define-projection.ts';
import { userLoggedOut } from '../../schemas/catalogue.ts';

/**
 * What refuses tokens before their time, each for as long as there is something to refuse. The value is when it was revoked.
 * The API writes the same beside its commands, so that nobody has to wait for this; what it could not write comes from here.
 */
export const tokenBlacklist = defineProjection({
  store: 'redis',
  structure: 'string',
  name: 'token-blacklist',
  version: 1,
  reads: [userLoggedOut],
  ttlMs: undefined,
  mutations: (event) => revocationsOfLogOut(event.payload, event.occurredAt).map((revocation) => kept(revocation, event.version)),
  // Never asked: a string is made by its event. What is lost is filled from the auth domain's table.
  history: () => [],
});

export function revocationKey({ of, id }: Pick<Revocation, 'of' | 'id'>): string {
  return of === 'token' ? `auth:blacklist:${id}` : `auth:ended_session:${id}`;
}

export function kept(revocation: Revocation, version: bigint): RedisMutation {
  const { revokedAtMs, untilMs } = revocation;
  return { op: 'keep', key: revocationKey(revocation), version, value: revokedAtMs.toString(), untilMs };
}
