import type { RelayOptions } from '../../connectors/outbox/relay.ts';
import { createRelay } from '../../connectors/outbox/relay.ts';
import type { PayloadEncoder } from '../../core/codec.ts';
import type { HealthSource, Service } from '../../core/lifecycle.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { Lsn } from '../../core/lsn.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import type { CaptureDatabase } from './capture-database.ts';
import type { RecordingProducer } from './recording-producer.ts';
import { createRecordingProducer } from './recording-producer.ts';
import { systemClock } from './system-clock.ts';

/** Copies the JSON text. */
export const JSON_PASS_THROUGH: PayloadEncoder = {
  verbatim: 'application/json',
  encode: async (_type, json) => ({ value: json, contentType: 'application/json' }),
};

/** A status message, and what Kafka had acknowledged when it was written. */
export interface WitnessedStatus {
  readonly flushLsn: Lsn;
  readonly acknowledged: number;
}

export interface RelayUnderTest extends Service, HealthSource {
  readonly producer: RecordingProducer;
  readonly statuses: WitnessedStatus[];
  state(): string;
  unacknowledgedBytes(): number;
}

/** A relay with quick settings, a producer that a test holds in its hand, and its status messages written down. */
export function relayUnderTest(
  database: Pick<CaptureDatabase, 'domain' | 'url' | 'names'>,
  options: Partial<Omit<RelayOptions, 'producer'>> & { readonly producer?: RecordingProducer } = {},
): RelayUnderTest {
  const producer = options.producer ?? createRecordingProducer();
  const statuses: WitnessedStatus[] = [];
  const relay = createRelay({
    domain: database.domain,
    connection: { url: database.url },
    names: database.names,
    routes: new Set(['image.registered', 'image.processed', 'image.deleted']),
    encoder: JSON_PASS_THROUGH,
    metrics: NO_METRICS,
    logger: SILENT_LOGGER,
    clock: systemClock,
    ...options,
    producer,
    onStatus: (status) => statuses.push({ flushLsn: status.flushLsn, acknowledged: producer.acknowledged.length }),
    settings: {
      statusDelayMs: 10,
      statusIntervalMs: 1000,
      publicationLookMs: 50,
      standbyPollMs: 50,
      reconnectMaxMs: 200,
      retryMaxMs: 100,
      ...options.settings,
    },
  });
  const fact = (name: string) => relay.health()[0]?.facts?.[name];
  return {
    name: relay.name,
    start: (signal) => relay.start(signal),
    stop: (hard) => relay.stop(hard),
    health: () => relay.health(),
    producer,
    statuses,
    state: () => String(fact('state')),
    unacknowledgedBytes: () => Number(fact('unacknowledgedBytes')),
  };
}

/**
 * The acknowledge rule at every status message (`commits` in commit order): the server forgets a transaction whose commit record starts below the
 * flush position, so by then each of its rows must be acknowledged. Returns the first breach, in words.
 */
export function findEarlyAcknowledgement(
  relay: RelayUnderTest,
  commits: readonly { readonly id: string; readonly commitLsn: Lsn }[],
  acknowledgedBefore: readonly string[] = [],
): string | undefined {
  const ids = relay.producer.acknowledgedIds();
  const durable = new Set(acknowledgedBefore);
  let counted = 0;
  let next = 0;
  for (const status of relay.statuses) {
    for (; counted < status.acknowledged; counted += 1) durable.add(ids[counted] ?? '');
    for (let row = commits[next]; row !== undefined && row.commitLsn < status.flushLsn; row = commits[next]) {
      if (!durable.has(row.id)) return `row ${row.id} committed at ${row.commitLsn}, flushed ${status.flushLsn} without acknowledgement`;
      next += 1;
    }
  }
  return undefined;
}
