import { randomUUID } from 'node:crypto';
import { importPKCS8, SignJWT } from 'jose';
import { ACCESS_TOKEN_SECONDS } from '../core/access-token.ts';
import { ClassifiedError } from '../core/errors.ts';

/** What access tokens are signed with: RS256 by the private key, HS256 by the development secret. */
export type SigningKey =
  { readonly kind: 'private-key'; readonly pem: string } | { readonly kind: 'development-secret'; readonly secret: string };

export interface TokenSubject {
  readonly userId: string;
  readonly sessionId: string;
  readonly permissions: readonly string[];
}

/** Signs access tokens that `createTokenVerifier` with the matching key accepts, each with an id of its own. */
export type SignToken = (subject: TokenSubject, nowMs: number) => Promise<string>;

/** The key is read by the first token. Rejects with CONFIGURATION_INVALID when it cannot be used. */
export function createTokenSigner(options: { readonly issuer: string; readonly audience: string; readonly key: SigningKey }): SignToken {
  const { issuer, audience, key } = options;
  const algorithm = key.kind === 'private-key' ? 'RS256' : 'HS256';
  let imported: ReturnType<typeof importKey> | undefined;
  return async ({ userId, sessionId, permissions }, nowMs) => {
    const nowSeconds = Math.floor(nowMs / 1000);
    imported ??= importKey(key);
    return new SignJWT({ sid: sessionId, permissions: [...permissions] })
      .setProtectedHeader({ alg: algorithm, typ: 'JWT' })
      .setSubject(userId)
      .setIssuer(issuer)
      .setAudience(audience)
      .setJti(randomUUID())
      .setIssuedAt(nowSeconds)
      .setExpirationTime(nowSeconds + ACCESS_TOKEN_SECONDS)
      .sign(await imported);
  };
}

async function importKey(key: SigningKey): Promise<Parameters<SignJWT['sign']>[0]> {
  if (key.kind === 'development-secret') return new TextEncoder().encode(key.secret);
  try {
    return await importPKCS8(key.pem, 'RS256');
  } catch (error) {
    throw new ClassifiedError('CONFIGURATION_INVALID', 'AUTH_SIGNING_KEY is not an RSA key in PEM (PKCS 8)', { cause: error });
  }
}
