import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerDriver } from '../../core/broker.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import { headerText, utf8Text } from '../../core/record.ts';
import { rowNumber } from './outbox-table.ts';

const WITHIN_MS = 120_000;
const POLL_MS = 20;

export interface ExpectedRows {
  readonly first: number;
  readonly rows: number;
}

/** Follows the records of a topic: each expected row at least once, and first occurrences in order for each key. */
export class TopicCheck {
  private readonly expected: ExpectedRows;
  private readonly seen: Uint8Array;
  private readonly newest = new Map<string, number>();
  private distinct = 0;
  duplicates = 0;
  /** The first fault, in words. */
  fault: string | undefined;

  constructor(expected: ExpectedRows) {
    this.expected = expected;
    this.seen = new Uint8Array(expected.rows);
  }

  get complete(): boolean {
    return this.distinct === this.expected.rows;
  }

  see(record: Pick<ConsumedRecord, 'key' | 'headers'>): void {
    const id = headerBytes(record, 'id');
    const number = id === undefined ? NaN : rowNumber(id);
    const index = number - this.expected.first;
    if (!(index >= 0 && index < this.expected.rows)) {
      this.fault ??= `a record has the id ${headerText(record.headers, 'id') ?? '(none)'}, which was not written`;
      return;
    }
    if (this.seen[index] === 1) {
      this.duplicates += 1;
      return;
    }
    this.seen[index] = 1;
    this.distinct += 1;
    const key = record.key === null ? '' : utf8Text(record.key);
    if (number < (this.newest.get(key) ?? 0)) this.fault ??= `row ${number} of ${key} comes after a later one`;
    this.newest.set(key, number);
  }
}

/**
 * Reads a topic as a consumer does. Resolves with the number of duplicates when every row is there.
 * @throws Error naming what is missing, foreign or out of order.
 */
export async function verifyTopic(driver: BrokerDriver, topic: string, expected: ExpectedRows): Promise<number> {
  const check = new TopicCheck(expected);
  const consumer = driver.consumer({ group: `verify.${topic}`, topics: [topic], from: 'earliest' });
  await consumer.start({
    onRecords: (_partition, records) => records.forEach((record) => check.see(record)),
    onAssigned: () => undefined,
    onRevoking: async () => undefined,
    onLost: () => undefined,
    onFatal: (error) => (check.fault ??= error.message),
  });
  try {
    for (const deadline = Date.now() + WITHIN_MS; !check.complete && check.fault === undefined;) {
      if (Date.now() > deadline) throw new Error(`${topic} lacks rows`);
      await sleep(POLL_MS);
    }
  } finally {
    await consumer.stop();
  }
  if (check.fault !== undefined) throw new Error(`${topic}: ${check.fault}`);
  return check.duplicates;
}

export function headerBytes(record: Pick<ConsumedRecord, 'headers'>, name: string): Uint8Array | undefined {
  for (const [header, value] of record.headers) if (header === name) return value ?? undefined;
  return undefined;
}
