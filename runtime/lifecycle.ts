import { setMaxListeners } from 'node:events';
import type { Service } from '../core/lifecycle.ts';
import type { Logger } from '../core/log.ts';

/** Services of which none needs another: they stop at the same time. */
export type Stage = readonly Service[];

/**
 * Starts services in order and stops them in reverse: what feeds others is listed last, so it starts last and stops
 * first. Those of a stage stop together, so that a slow one does not use up the time of the others. When one cannot start,
 * those already started are stopped and its error is thrown.
 */
export class Lifecycle {
  private readonly stages: readonly Stage[];
  private readonly logger: Logger;
  private readonly started: Service[][] = [];
  private stopping: Promise<void> | undefined;

  constructor(services: readonly (Service | Stage)[], logger: Logger) {
    this.stages = services.map((each) => ('name' in each ? [each] : each));
    this.logger = logger;
  }

  async start(signal: AbortSignal): Promise<void> {
    for (const stage of this.stages) {
      const started: Service[] = [];
      this.started.push(started);
      for (const service of stage) {
        signal.throwIfAborted();
        // Registered before it starts, so that a stop meanwhile reaches it.
        started.push(service);
        await this.startOne(service, signal);
      }
    }
  }

  /** Soft first; after `softMs` the services are told to let go at once. Called twice, both wait for the same end. */
  async stop(softMs: number): Promise<void> {
    this.stopping ??= this.stopAll(softMs);
    await this.stopping;
  }

  private async startOne(service: Service, signal: AbortSignal): Promise<void> {
    try {
      await service.start(signal);
      this.logger.info({ 'log.logger': 'lifecycle', service: service.name }, 'service started');
    } catch (error) {
      await this.stop(0);
      throw error;
    }
  }

  private async stopAll(softMs: number): Promise<void> {
    const hard = new AbortController();
    // Every service listens to it.
    setMaxListeners(0, hard.signal);
    const timer = setTimeout(() => hard.abort(new Error('the time for a soft stop is over')), softMs);
    try {
      for (const stage of this.started.reverse()) await Promise.all(stage.map((service) => this.stopOne(service, hard.signal)));
    } finally {
      clearTimeout(timer);
    }
  }

  private async stopOne(service: Service, hard: AbortSignal): Promise<void> {
    try {
      await service.stop(hard);
      this.logger.info({ 'log.logger': 'lifecycle', service: service.name }, 'service stopped');
    } catch (error) {
      this.logger.error({ 'log.logger': 'lifecycle', service: service.name }, 'service did not stop cleanly', error);
    }
  }
}
