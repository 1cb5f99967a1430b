import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { Config } from './config.ts';
import { PLATFORM } from './database-url.ts';

type PerDomain = Pick<Config, 'postgres' | 'capture' | 'redis' | 'connect'>;

/**
 * The settings that end with a domain which there is not, by name: a misspelled one leaves its domain on the common server without a
 * word. No fault: an environment may hold what is meant for another program.
 */
export function settingsWithoutDomain(
  { postgres, capture, redis, connect }: PerDomain,
  { domains }: PipelineDefinition,
): readonly string[] {
  const known = new Set([...domains.map(({ name }) => name), PLATFORM]);
  const given = [
    ['POSTGRES_URL_', postgres.domainUrls],
    ['CAPTURE_URL_', capture.domainUrls],
    ['CAPTURE_', capture.domainsBy],
    ['REDIS_URL_', redis.domainUrls],
    ['KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE_', connect?.domainPasswordReferences ?? {}],
  ] as const;
  return given.flatMap(([prefix, byDomain]) =>
    Object.keys(byDomain).flatMap((domain) => (known.has(domain) ? [] : [`${prefix}${domain.toUpperCase()}`])),
  );
}
