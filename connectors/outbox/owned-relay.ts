import type { Clock } from '../../core/clock.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import { classified } from '../../core/errors.ts';
import type { HealthReport, HealthSource, Service } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import type { CaptureOwner } from '../replication/capture-owner.ts';

export interface OwnedRelayOptions {
  readonly domain: string;
  /** A relay that was never started; one is made for each time that the slot is the relay's. */
  readonly createRelay: () => Service & HealthSource;
  /** Who owns the slot now. Rejects while that cannot be told. */
  readonly readOwner: () => Promise<CaptureOwner>;
  /** Whether anybody reads from the slot; asked while it is Debezium's. */
  readonly isSlotHeld: () => Promise<boolean>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Between two looks at the owner. A handover waits for a multiple of it. */
export const OWNER_LOOK_MS = 500;
const DRAIN_TIMEOUT_MS = 60_000;

/**
 * A relay that reads from its slot only while the slot is the relay's: asked before it begins and while it runs. When Debezium
 * becomes the owner it drains, confirms its last position and gives the slot back; it begins again when the slot comes back. While the owner cannot be told
 * it goes on as it was. `start` rejects as the relay's does.
 */
export function createOwnedRelay(options: OwnedRelayOptions): Service & HealthSource {
  return new OwnedRelay(options);
}

class OwnedRelay implements Service, HealthSource {
  readonly name: string;
  private readonly options: OwnedRelayOptions;
  private readonly lifetime = new AbortController();
  private relay: (Service & HealthSource) | undefined;
  private owner: CaptureOwner | undefined;
  /** Undefined when it was not or could not be asked. */
  private held: boolean | undefined;
  private error: ClassifiedError | undefined;
  private watching: Promise<void> | undefined;

  constructor(options: OwnedRelayOptions) {
    this.name = `relay.${options.domain}`;
    this.options = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    if (this.lifetime.signal.aborted || this.watching !== undefined) return;
    await this.look(signal);
    if (this.owner === 'debezium') this.options.logger.warn({ domain: this.options.domain }, contradiction(this.options.domain));
    this.watching = this.watch();
  }

  async stop(hard: AbortSignal): Promise<void> {
    this.lifetime.abort();
    // First, for the watch may be waiting for the very same stop.
    await this.relay?.stop(hard);
    await this.watching;
    await this.relay?.stop(hard);
  }

  health(): HealthReport[] {
    if (this.relay !== undefined) return this.relay.health();
    if (this.owner === 'debezium') return [{ name: this.name, ...this.standby() }];
    if (this.error !== undefined) {
      const detail = `${this.error.code}: ${this.error.message}. ${this.error.remedy}`;
      return [{ name: this.name, status: 'down', detail, facts: { state: 'waiting' } }];
    }
    return [{ name: this.name, status: 'degraded', detail: 'Who owns the slot is not known yet.', facts: { state: 'waiting' } }];
  }

  private standby(): Pick<HealthReport, 'status' | 'detail' | 'facts'> {
    const facts = { state: 'handed over to Debezium' };
    if (this.held !== false) return { status: 'ok', facts };
    const { domain } = this.options;
    const detail =
      `Nobody reads from the slot: events wait in it. See \`millrace connect status\`; ` +
      `\`millrace slot handover --domain ${domain}\` finishes a handover that was cut off, or takes it back.`;
    return { status: 'degraded', detail, facts };
  }

  private async watch(): Promise<void> {
    const { clock, logger, domain } = this.options;
    const { signal } = this.lifetime;
    for (;;) {
      await clock.sleep(OWNER_LOOK_MS, signal).catch(() => undefined); // the loop looks at the signal itself
      if (signal.aborted) return;
      try {
        await this.look(signal);
      } catch (thrown) {
        if (isAborted(signal)) return;
        const error = classified(thrown, 'UNCLASSIFIED', 'the relay could not be started');
        if (this.error?.code !== error.code) {
          logger.error({ domain, 'error.code': error.code }, `the relay could not begin: ${error.message}. ${error.remedy}`, error);
        }
        this.error = error;
      }
    }
  }

  private async look(signal: AbortSignal): Promise<void> {
    const owner = await this.options.readOwner().catch(() => undefined); // the relay itself waits for a database that is away
    if (owner !== undefined) this.owner = owner;
    if (this.owner === 'debezium') {
      await this.giveUp();
      this.held = await this.options.isSlotHeld().catch(() => undefined); // that the database is away, others say
    } else if (this.owner === 'relay') await this.begin(signal);
  }

  private async begin(signal: AbortSignal): Promise<void> {
    if (this.relay !== undefined || this.lifetime.signal.aborted) return;
    const relay = this.options.createRelay();
    this.relay = relay;
    try {
      await relay.start(signal);
      this.error = undefined;
    } catch (thrown) {
      this.relay = undefined;
      throw thrown;
    }
  }

  private async giveUp(): Promise<void> {
    const { relay } = this;
    if (relay === undefined) return;
    this.options.logger.info({ domain: this.options.domain }, 'the slot was handed over to Debezium: draining');
    await relay.stop(AbortSignal.any([this.lifetime.signal, AbortSignal.timeout(DRAIN_TIMEOUT_MS)]));
    this.relay = undefined;
    this.options.logger.info({ domain: this.options.domain }, 'drained; the slot is free');
  }
}

/** Of a process that starts after a handover with the configuration of before it. */
function contradiction(domain: string): string {
  const setting = `CAPTURE_${domain.toUpperCase()}`;
  return (
    `the configuration says that the relay captures ${domain}, and its slot was handed over to Debezium: this process stands by. ` +
    `Set ${setting}=debezium, or take it back: \`millrace slot handover --domain ${domain} --to relay\``
  );
}

/** A function, because a signal changes while one waits. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
