import type { DomainDefinition } from '../core/define.ts';
import type { Config } from './config.ts';

const DAY_MS = 86_400_000;

/** Days for which the outbox keeps a row at least. A row outlives its record, so that a repair can compare the two. */
export function outboxRetentionDays(domain: Pick<DomainDefinition, 'events'>, config: Pick<Config, 'retention'>): number {
  const topicDays = Math.max(0, ...domain.events.map(({ retentionMs }) => Math.ceil(retentionMs / DAY_MS)));
  return Math.max(config.retention.outboxDays, topicDays + 1);
}
