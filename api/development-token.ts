import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { ClassifiedError } from '../core/errors.ts';
import type { TokenOptions } from './verify-token.ts';

const LIFETIME_SECONDS_DEFAULT = 3_600;

/**
 * A token for a user, signed with the development secret. For the command line and the demo on a developer's machine.
 * @throws ClassifiedError CONFIGURATION_INVALID when the API is not configured with a development secret.
 */
export async function developmentToken(
  options: TokenOptions,
  user: { readonly id: string; readonly lifetimeSeconds?: number; readonly permissions?: readonly string[] },
  nowMs: number,
): Promise<string> {
  if (options.keys.kind !== 'development-secret') {
    throw new ClassifiedError('CONFIGURATION_INVALID', 'tokens can be signed here only with the development secret');
  }
  const nowSeconds = Math.floor(nowMs / 1000);
  return new SignJWT({ permissions: [...(user.permissions ?? [])] })
    .setJti(randomUUID())
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(user.id)
    .setIssuer(options.issuer)
    .setAudience(options.audience)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + (user.lifetimeSeconds ?? LIFETIME_SECONDS_DEFAULT))
    .sign(new TextEncoder().encode(options.keys.secret));
}
