import { createHmac } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import type { Notifier } from '../../core/calls.ts';
import { answeredOrRejected } from './classify-http-answer.ts';
import { createJsonPost } from './json-post.ts';

interface WebhookNotifierOptions {
  readonly url: string;
  /** Shared with the receiver; `whsec_` and base64, or any text. */
  readonly secret: string;
  readonly connectionsMax: number;
  readonly clock: Clock;
}

/**
 * Notifications by webhook, signed as Standard Webhooks 1.0 has it: `webhook-id` is the idempotency key, and
 * `webhook-signature` is `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`. The receiver checks signature and
 * timestamp and forgets a second delivery of the same id.
 */
export function createWebhookNotifier(options: WebhookNotifierOptions): Notifier & { stop(): Promise<void> } {
  const http = createJsonPost({ ...options, what: 'the webhook' });
  const key = secretKey(options.secret);
  return {
    notify: async ({ userId, kind, title, data }, context) => {
      const body = JSON.stringify({ type: kind, user_id: userId, title, data });
      const answer = await http.post(body, context, signatureHeaders(key, context.idempotencyKey, options.clock.nowMs(), body));
      return answeredOrRejected(answer.status, 'the webhook') === 'answered'
        ? { kind: 'sent' }
        : { kind: 'rejected', reason: `webhook_refused_${answer.status}` };
    },
    stop: () => http.stop(),
  };
}

function signatureHeaders(key: Uint8Array, id: string, nowMs: number, body: string): Record<string, string> {
  const timestamp = Math.floor(nowMs / 1000).toString();
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}

function secretKey(secret: string): Uint8Array {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret, 'utf8');
}
