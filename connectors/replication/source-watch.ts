import type { Clock } from '../../core/clock.ts';
import { ClassifiedError, classified } from '../../core/errors.ts';
import type { HealthReport, HealthSource, Service } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import { aborted } from './aborted.ts';
import type { CaptureOwner } from './capture-owner.ts';
import { findingError } from './source-findings.ts';
import type { SourceIdentity } from './source-identity.ts';

export interface SourceWatchOptions {
  readonly domain: string;
  readonly identity: Pick<SourceIdentity, 'sight'>;
  /** Whose the slot is, by the word of the domain's database. */
  readonly readOwner: () => Promise<CaptureOwner>;
  /** There is a relay in this process for when the slot is the relay's: then nothing is looked at. Otherwise that is a contradiction. */
  readonly besideRelay?: boolean;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Between two looks. */
  readonly intervalMs?: number;
}

const INTERVAL_MS = 15_000;

/** A source that another capture reads, which does not know whether it is still the same one. */
export interface SourceWatch extends Service, HealthSource {
  /** Why what the outbox holds may be needed for a repair; undefined right after a look that found nothing. */
  keptBecause(): string | undefined;
}

/** Looks at the source as long as it runs. That the slot moved is no difference here: the other capture moves it. */
export function createSourceWatch(options: SourceWatchOptions): SourceWatch {
  const { domain, identity, readOwner, besideRelay = false, logger, clock, intervalMs = INTERVAL_MS } = options;
  const lifetime = new AbortController();
  const name = `source.${domain}`;
  let watching: Promise<void> | undefined;
  let [looked, idle] = [false, besideRelay];
  let error: ClassifiedError | undefined;

  const look = async (): Promise<ClassifiedError | undefined> => {
    const isAnothers = (await readOwner()) !== 'relay';
    idle = besideRelay && !isAnothers;
    if (idle) return undefined;
    if (!isAnothers) return new ClassifiedError('CONFIGURATION_INVALID', contradiction(domain));
    const finding = await identity.sight();
    return finding === undefined ? undefined : findingError(finding);
  };
  const watch = async (): Promise<void> => {
    while (!lifetime.signal.aborted) {
      const found = await look().catch((thrown: unknown) => classified(thrown, 'UNCLASSIFIED', 'the look at the source failed'));
      if (found !== undefined && found.code !== error?.code) {
        logger.error({ domain, 'error.code': found.code }, `${found.message}. ${found.remedy}`, found);
      }
      [looked, error] = [true, found];
      await clock.sleep(intervalMs, lifetime.signal).catch(() => undefined); // the loop looks at the signal itself
    }
  };
  const keptBecause = (): string | undefined => {
    if (!looked) return 'the source was not looked at yet';
    return error === undefined ? undefined : `${error.code}: ${error.message}. ${error.remedy}`;
  };
  return {
    name,
    start: async () => {
      if (!lifetime.signal.aborted) watching ??= watch();
    },
    stop: async (hard) => {
      lifetime.abort();
      await Promise.race([watching, aborted(hard)]);
    },
    health: (): HealthReport[] => {
      if (idle) return [];
      const detail = keptBecause();
      return [detail === undefined ? { name, status: 'ok' } : { name, status: 'degraded', detail }];
    },
    keptBecause,
  };
}

/** Nothing captures the domain here: the relay is not started, and a connector must not read from the relay's slot. */
function contradiction(domain: string): string {
  return (
    `the configuration says that Debezium captures ${domain}, and its slot is the relay's: ` +
    `set CAPTURE_${domain.toUpperCase()}=relay, or run \`millrace slot handover --domain ${domain} --to debezium\``
  );
}
