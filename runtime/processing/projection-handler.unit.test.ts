import { expect, it } from 'vitest';
import type { LogFields, Logger } from '../../core/log.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import { imageRegistered } from '../../schemas/catalogue.ts';
import { arrived } from '../../test/support/arrived.ts';
import { systemClock } from '../telemetry/system-clock.ts';
import type { HandlerContext } from './event-handler.ts';
import { createProjectionHandler } from './projection-handler.ts';

const event = arrived(imageRegistered, { image_id: 'i', user_id: 'u', cdn_url: 'https://cdn.example/secret.jpg' });

it('leaves a line with the trace id for an event that changed the read model, and passes every result on', async () => {
  const lines: { level: string; fields: LogFields }[] = [];
  const logger: Logger = {
    ...SILENT_LOGGER,
    info: (fields) => lines.push({ level: 'info', fields }),
    debug: (fields) => lines.push({ level: 'debug', fields }),
  };
  const results: HandlerResult[] = [{ kind: 'acked' }, { kind: 'skipped', reason: 'stale-version' }];
  for (const result of results) {
    const projector = { handle: async () => result };
    const handle = createProjectionHandler({ projection: 'p', store: 'redis', projector, logger, clock: systemClock });
    expect(await handle(event, { awaiting: () => undefined } as Partial<HandlerContext> as HandlerContext)).toBe(result);
  }
  expect(lines.map(({ level, fields }) => [level, fields['trace.id'], fields['door']])).toEqual([
    ['info', event.traceId, 'acked'],
    ['debug', event.traceId, 'skipped'],
  ]);
  expect(JSON.stringify(lines)).not.toContain('secret');
});
