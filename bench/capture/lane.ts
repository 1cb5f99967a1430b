import { captureSource } from '../../connectors/outbox/relay.ts';
import { dropCaptureSource, ensureCaptureSource } from '../../connectors/replication/capture-source.ts';
import type { BrokerAdmin } from '../../core/broker.ts';
import { Names } from '../../core/names.ts';
import { systemClock } from '../../runtime/telemetry/system-clock.ts';
import { ROUTE, type Domain } from './outbox-table.ts';

const PARTITIONS = 6;
const RETENTION_MS = 86_400_000;

/** The way of one capture from the outbox to Kafka: slot and publication, and a topic that nobody else writes to. */
export interface Lane {
  readonly names: Names;
  readonly domain: Domain;
  readonly slot: string;
  readonly publication: string;
  readonly topic: string;
}

/**
 * Makes lanes. Slots that are made before rows are written yield the same stretch of WAL, each on its own: so both sides,
 * and every run, read the same bytes.
 */
export class Lanes {
  private readonly admin: BrokerAdmin;
  private readonly url: string;
  private readonly prefix: string;
  private count = 0;

  constructor(admin: BrokerAdmin, databaseUrl: string, prefix = 'lane') {
    this.admin = admin;
    this.url = databaseUrl;
    this.prefix = prefix;
  }

  /** @param brokerTimes the broker notes in each record when it was appended, instead of its time of commit. */
  async open(domain: Domain, brokerTimes = false): Promise<Lane> {
    this.count += 1;
    const names = new Names(`${this.prefix}_${this.count}`);
    const topic = names.eventTopic(ROUTE);
    const settings = { partitions: PARTITIONS, retentionMs: RETENTION_MS, replicationFactor: 1 };
    await this.admin.ensureTopics([
      { topic, ...settings, ...(brokerTimes ? { config: { 'message.timestamp.type': 'LogAppendTime' } } : {}) },
      { topic: names.captureDeadLetterTopic(domain), ...settings },
    ]);
    const source = captureSource(domain, this.url, names);
    await ensureCaptureSource(source);
    return { names, domain, slot: source.slot, publication: source.publication.name, topic };
  }

  /** The capture must have been stopped. */
  async close(lane: Lane): Promise<void> {
    await dropCaptureSource(captureSource(lane.domain, this.url, lane.names), systemClock);
    await this.admin.deleteTopics([lane.topic, lane.names.captureDeadLetterTopic(lane.domain)]);
  }
}
