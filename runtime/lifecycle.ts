import type { Service } from '../core/lifecycle.ts';
import type { Logger } from '../core/log.ts';

/**
 * Starts services in order and stops them in reverse: what feeds others is listed last, so it starts last and stops
 * first. When one cannot start, those already started are stopped and its error is thrown.
 */
export class Lifecycle {
  private readonly services: readonly Service[];
  private readonly logger: Logger;
  private readonly started: Service[] = [];
  private stopping: Promise<void> | undefined;

  constructor(services: readonly Service[], logger: Logger) {
    this.services = services;
    this.logger = logger;
  }

  async start(signal: AbortSignal): Promise<void> {
    for (const service of this.services) {
      signal.throwIfAborted();
      try {
        // Registered before it starts, so that a stop meanwhile reaches it.
        this.started.push(service);
        await service.start(signal);
        this.logger.info({ 'log.logger': 'lifecycle', service: service.name }, 'service started');
      } catch (error) {
        await this.stop(0);
        throw error;
      }
    }
  }

  /** Soft first; after `softMs` the services are told to let go at once. Called twice, both wait for the same end. */
  async stop(softMs: number): Promise<void> {
    this.stopping ??= this.stopAll(softMs);
    await this.stopping;
  }

  private async stopAll(softMs: number): Promise<void> {
    const hard = new AbortController();
    const timer = setTimeout(() => hard.abort(new Error('the time for a soft stop is over')), softMs);
    try {
      for (const service of this.started.reverse()) {
        try {
          await service.stop(hard.signal);
          this.logger.info({ 'log.logger': 'lifecycle', service: service.name }, 'service stopped');
        } catch (error) {
          this.logger.error({ 'log.logger': 'lifecycle', service: service.name }, 'service did not stop cleanly', error);
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
