import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { HandlerResult } from '../../core/outcome.ts';
import { headerText } from '../../core/record.ts';
import type { ConsumedRecord, TopicPartition } from '../../core/record.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { ACKED, failedWith, groupUnderTest } from '../../test/support/group-under-test.ts';
import { settle } from '../../test/support/manual-clock.ts';

const TOPIC = 'events.happened';
const PARTITIONS: readonly TopicPartition[] = [0, 1, 2].map((partition) => ({ topic: TOPIC, partition }));
const KEYS_PER_PARTITION = 3;

const RESULTS = {
  acked: ACKED,
  skipped: { kind: 'skipped', reason: 'duplicate' },
  ladder: failedWith('CALL_FAILED', 'it failed'),
  conflict: failedWith('VERSION_CONFLICT', 'again'),
  poison: failedWith('DECISION_FAILED', 'bug'),
  outage: failedWith('POSTGRES_UNAVAILABLE', 'away'),
} as const satisfies Record<string, HandlerResult>;
type ResultName = keyof typeof RESULTS;

type Step =
  | { readonly do: 'deliver'; readonly partition: number; readonly count: number }
  | { readonly do: 'end'; readonly which: number; readonly result: ResultName }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'rebalance'; readonly partition: number }
  | { readonly do: 'lose'; readonly partition: number }
  | { readonly do: 'commits'; readonly work: boolean }
  | { readonly do: 'letters'; readonly work: boolean };

const partition = fc.integer({ min: 0, max: PARTITIONS.length - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('deliver' as const), partition, count: fc.integer({ min: 1, max: 6 }) }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      which: fc.nat(),
      result: fc.constantFrom<ResultName>('acked', 'acked', 'acked', 'skipped', 'ladder', 'conflict', 'poison', 'outage'),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 200, 5_000, 20_000, 90_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rebalance' as const), partition }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), partition }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('commits' as const), work: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('letters' as const), work: fc.boolean() }) },
);

/** A log of three partitions, a group over it, and what may be said of them at every moment. */
class World {
  private readonly log = PARTITIONS.map(() => [] as ConsumedRecord[]);
  private readonly position = PARTITIONS.map(() => 0);
  private readonly committed = PARTITIONS.map(() => 0);
  /** Records whose effect is durable: handled well, or in the dead letters. */
  private readonly durable = new Set<string>();
  /** Handlers that run, by record. A cut-off handler is not among them. */
  private readonly running = new Map<string, (result: HandlerResult) => void>();
  private readonly busyKeys = new Set<string>();
  /** What was seen to be wrong inside callbacks, where a throw would only count as a failure of the callback. */
  private readonly violations: string[] = [];
  private commitsWork = true;
  private lettersWork = true;
  private setup!: Awaited<ReturnType<typeof groupUnderTest>>;

  async begin(): Promise<void> {
    this.setup = await groupUnderTest(
      {
        handler: (event, { topic, partition, offset, signal }) => {
          const name = `${topic}/${partition}/${offset}`;
          // I5: one event of a key at a time, and never one before another that came earlier.
          this.claim(!this.busyKeys.has(event.aggregateId), `two events of ${event.aggregateId} at once`);
          for (const earlier of this.log[partition]!) {
            if (earlier.offset >= offset) break;
            if (keyOf(earlier) === event.aggregateId) this.claim(this.durable.has(nameOf(earlier)), `${name} overtook ${nameOf(earlier)}`);
          }
          this.busyKeys.add(event.aggregateId);
          return new Promise((resolve) => {
            const end = (result: HandlerResult): void => {
              this.running.delete(name);
              this.busyKeys.delete(event.aggregateId);
              if (result.kind !== 'failed') this.durable.add(name);
              resolve(result);
            };
            this.running.set(name, end);
            signal.addEventListener('abort', () => {
              this.running.delete(name);
              this.busyKeys.delete(event.aggregateId);
            });
          });
        },
        producer: {
          send: async (letters) => {
            await settle();
            for (const letter of letters) {
              if (!this.lettersWork && Number(headerText(letter.headers, 'dlt-original-offset')) % 2 === 0) throw new Error('not writable');
            }
            for (const { headers } of letters) {
              this.durable.add(`${TOPIC}/${headerText(headers, 'dlt-original-partition')}/${headerText(headers, 'dlt-original-offset')}`);
            }
          },
        },
        limits: { concurrencyMax: 4, inFlightRecordsMax: 30 },
        handlerTimeoutMs: 60_000,
        commitIntervalMs: 1_000,
      },
      PARTITIONS,
    );
    this.setup.consumer.onCommit = async (positions) => {
      await settle();
      if (!this.commitsWork) throw new Error('not reachable');
      for (const { partition, offset } of positions) {
        this.committed[partition] = Number(offset);
        // I6: nothing below a committed offset is unfinished.
        for (const record of this.log[partition]!) {
          const waits = this.setup.parked.rows.some((row) => nameOf(row.record) === nameOf(record));
          if (record.offset < offset)
            this.claim(waits || this.durable.has(nameOf(record)), `${nameOf(record)} is below a commit and unfinished`);
        }
      }
      return true;
    };
  }

  async take(next: Step): Promise<void> {
    const { consumer, clock } = this.setup;
    switch (next.do) {
      case 'deliver':
        this.deliver(next.partition, next.count);
        break;
      case 'end': {
        const ends = [...this.running.values()];
        if (ends.length > 0) ends[next.which % ends.length]!(RESULTS[next.result]);
        break;
      }
      case 'wait':
        await clock.advance(next.ms);
        break;
      case 'rebalance': {
        const revoking = consumer.callbacks.onRevoking([PARTITIONS[next.partition]!]);
        await clock.advance(30_000);
        await revoking;
        this.assign(next.partition);
        break;
      }
      case 'lose':
        consumer.callbacks.onLost([PARTITIONS[next.partition]!]);
        this.assign(next.partition);
        break;
      case 'commits':
        this.commitsWork = next.work;
        break;
      case 'letters':
        this.lettersWork = next.work;
        break;
    }
    await settle();
    this.checkBooks();
  }

  /** I14: when all is well again, everything that was delivered is finished and committed, by exactly one door each time. */
  async heal(): Promise<void> {
    this.commitsWork = true;
    this.lettersWork = true;
    for (let round = 0; round < 1_000 && !this.isQuiet(); round += 1) {
      for (const { partition } of PARTITIONS) this.redeliver(partition);
      await settle();
      for (const end of [...this.running.values()]) end(ACKED);
      await this.setup.clock.advance(2_000);
    }
    this.checkBooks();
    const balance = this.setup.group.balance();
    expect(balance.inFlight).toBe(0);
    expect(this.committed).toEqual(this.log.map((records) => records.length));
    await this.setup.group.stop(new AbortController().signal);
    expect(this.setup.fatal).toEqual([]);
  }

  private claim(holds: boolean, violation: string): void {
    if (!holds) this.violations.push(violation);
  }

  /** I10 */
  private checkBooks(): void {
    const { in: taken, acked, skipped, retried, deadLettered, released, inFlight } = this.setup.group.balance();
    expect(acked + skipped + retried + deadLettered + released + inFlight).toBe(taken);
    expect(inFlight).toBeGreaterThanOrEqual(this.running.size);
    expect(this.violations).toEqual([]);
  }

  private isQuiet(): boolean {
    if (this.setup.parked.rows.length > 0) return false;
    return this.setup.group.balance().inFlight === 0 && this.committed.every((at, index) => at === this.log[index]!.length);
  }

  private assign(partition: number): void {
    this.position[partition] = this.committed[partition]!;
    this.setup.consumer.callbacks.onAssigned([PARTITIONS[partition]!]);
  }

  /** Appends records with gapless offsets and delivers up to the end, unless the partition is paused. */
  private deliver(partition: number, count: number): void {
    const records = this.log[partition]!;
    for (let added = 0; added < count; added += 1) {
      const at = records.length;
      records.push(consumedRecord({ at, partition, key: `p${partition}k${at % KEYS_PER_PARTITION}` }));
    }
    this.redeliver(partition);
  }

  private redeliver(partition: number): void {
    if (this.setup.consumer.paused.has(`${TOPIC}/${partition}`)) return;
    const records = this.log[partition]!;
    this.setup.consumer.deliver(records.slice(this.position[partition]));
    this.position[partition] = records.length;
  }
}

function keyOf(record: ConsumedRecord): string {
  return Buffer.from(record.key ?? []).toString();
}

function nameOf({ topic, partition, offset }: ConsumedRecord): string {
  return `${topic}/${partition}/${offset}`;
}

it('keeps order per key, commits nothing above an unfinished record and balances its books under any interleaving', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 120 }), async (steps) => {
      const world = new World();
      await world.begin();
      for (const next of steps) await world.take(next);
      await world.heal();
    }),
    { numRuns: 150 },
  );
});
