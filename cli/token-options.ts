import { createTokenSigner } from '../api/sign-token.ts';
import type { SignToken } from '../api/sign-token.ts';
import type { TokenKeys, TokenOptions } from '../api/verify-token.ts';
import { ClassifiedError } from '../core/errors.ts';
import type { Config } from '../runtime/config.ts';

/** How tokens are checked, by the configuration. @throws ClassifiedError CONFIGURATION_INVALID when no way is configured. */
export function tokenOptions({ auth }: Pick<Config, 'auth'>): TokenOptions {
  return { issuer: auth.issuer, audience: auth.audience, keys: keysOf(auth) };
}

/** How the API signs users in itself; undefined when the issuer of the tokens does. */
export function signInOptions({ auth }: Pick<Config, 'auth'>): { readonly signToken: SignToken; readonly hashSecret: string } | undefined {
  const { issuer, audience, signingKeyPem, developmentSecret, hashSecret } = auth;
  if (signingKeyPem !== undefined && hashSecret !== undefined) {
    return { signToken: createTokenSigner({ issuer, audience, key: { kind: 'private-key', pem: signingKeyPem } }), hashSecret };
  }
  if (developmentSecret === undefined) return undefined;
  const signToken = createTokenSigner({ issuer, audience, key: { kind: 'development-secret', secret: developmentSecret } });
  return { signToken, hashSecret: hashSecret ?? `hashes with ${developmentSecret}` };
}

function keysOf(auth: Config['auth']): TokenKeys {
  if (auth.jwksUrl !== undefined) return { kind: 'jwks', url: auth.jwksUrl };
  if (auth.publicKeyPem !== undefined) return { kind: 'public-key', pem: auth.publicKeyPem };
  if (auth.developmentSecret !== undefined) return { kind: 'development-secret', secret: auth.developmentSecret };
  throw new ClassifiedError('CONFIGURATION_INVALID', 'no way to check tokens is configured (AUTH_JWKS_URL or AUTH_PUBLIC_KEY)');
}
