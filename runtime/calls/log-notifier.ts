import type { Notifier } from '../../core/calls.ts';
import type { Logger } from '../../core/log.ts';

/** Notifications as log lines, for deployments without a receiver: whom and what kind, never the content. */
export function createLogNotifier(logger: Logger): Notifier {
  return {
    notify: async ({ userId, kind }, { idempotencyKey, trace }) => {
      const fields = { 'log.logger': 'notifier', 'trace.id': trace.traceId, 'user.id': userId, kind, idempotency_key: idempotencyKey };
      logger.info(fields, 'notification');
      return { kind: 'sent' };
    },
  };
}
