import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/log.ts';
import type { Projector } from '../../projectors/projector.ts';
import type { EventHandler } from './event-handler.ts';

/** Hands events to a projector, and leaves a line for each that changed the read model, so that its trace can be followed to the end. */
export function createProjectionHandler(options: {
  readonly projection: string;
  readonly store: 'redis' | 'elasticsearch';
  readonly projector: Pick<Projector, 'handle'>;
  readonly logger: Logger;
  readonly clock: Clock;
}): EventHandler {
  const { projection, store, projector, logger, clock } = options;
  return async (event, context) => {
    const began = clock.monotonicMs();
    context.awaiting(store);
    const result = await projector.handle(event, context);
    const fields = {
      'log.logger': 'projection',
      projection,
      'trace.id': event.traceId,
      'event.id': event.id,
      'event.type': event.type,
      'stream.id': event.streamId,
      duration_ms: Math.round(clock.monotonicMs() - began),
    };
    if (result.kind === 'acked') logger.info({ ...fields, door: 'acked' }, 'event projected');
    else if (result.kind === 'skipped') logger.debug({ ...fields, door: 'skipped', reason: result.reason }, 'event changed nothing');
    return result;
  };
}
