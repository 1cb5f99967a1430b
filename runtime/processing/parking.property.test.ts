import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { HandlerResult } from '../../core/outcome.ts';
import type { ParkedRecords, RecordToPark } from '../../core/parked-records.ts';
import type { ConsumedRecord, TopicPartition } from '../../core/record.ts';
import { headerText } from '../../core/record.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { ACKED, failedWith, groupUnderTest } from '../../test/support/group-under-test.ts';
import { InMemoryParkedRecords } from '../../test/support/in-memory-parked-records.ts';
import { ManualClock, settle } from '../../test/support/manual-clock.ts';
import { ScriptedConsumer } from '../../test/support/scripted-consumer.ts';
import type { EventHandler } from './event-handler.ts';

const TOPIC = 'events.happened';
const PARTITIONS: readonly TopicPartition[] = [0, 1].map((partition) => ({ topic: TOPIC, partition }));
/** Keys come from both partitions: the lane of a key is one, whatever its records' partitions are. */
const KEYS = ['a', 'b', 'c'];

const RESULTS = {
  acked: ACKED,
  ladder: failedWith('CALL_FAILED', 'it failed'),
  poison: failedWith('DECISION_FAILED', 'bug'),
  outage: failedWith('POSTGRES_UNAVAILABLE', 'away'),
} as const satisfies Record<string, HandlerResult>;
type ResultName = keyof typeof RESULTS;

type Step =
  | { readonly do: 'deliver'; readonly partition: number; readonly count: number }
  | { readonly do: 'end'; readonly which: number; readonly result: ResultName }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'rebalance'; readonly partition: number }
  | { readonly do: 'crash'; readonly goesOn: boolean }
  | { readonly do: 'commits'; readonly work: boolean }
  | { readonly do: 'store'; readonly works: boolean }
  | { readonly do: 'operator'; readonly says: 'retry' | 'discard' | 'replay'; readonly which: number };

const partition = fc.integer({ min: 0, max: PARTITIONS.length - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('deliver' as const), partition, count: fc.integer({ min: 1, max: 5 }) }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      which: fc.nat(),
      result: fc.constantFrom<ResultName>('acked', 'acked', 'ladder', 'ladder', 'poison', 'outage'),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 900, 3_000, 12_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rebalance' as const), partition }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), goesOn: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('commits' as const), work: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('store' as const), works: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('operator' as const),
      says: fc.constantFrom('retry' as const, 'discard' as const, 'replay' as const, 'replay' as const),
      which: fc.nat(),
    }),
  },
);

const latencies = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 7 });

type Policy = 'continue' | 'block';

const REFUSED_FROM_MS = 2 ** 63;

/** One process of the group. */
interface Member {
  readonly consumer: ScriptedConsumer;
  readonly running: Map<string, (result: HandlerResult) => void>;
  readonly busy: Set<string>;
  /** Whatever it asks is never answered again. */
  dead: boolean;
  setup: Awaited<ReturnType<typeof groupUnderTest>>;
}

/**
 * A log of two partitions, one store, and a group that lives, is rebalanced, dies, or is believed dead and goes on beside its
 * successor. Effects are kept by an inbox, as a domain keeps them.
 */
class World {
  private readonly policy: Policy;
  /** In turns of the event loop, one after another. */
  private readonly latencies: readonly number[];
  private asked = 0;
  private readonly clock = new ManualClock();
  private readonly store = new InMemoryParkedRecords(this.clock);
  private readonly log = PARTITIONS.map(() => [] as ConsumedRecord[]);
  private readonly committed = PARTITIONS.map(() => 0);
  private readonly position = PARTITIONS.map(() => 0);
  private readonly effects = new Set<string>();
  /** Records that were given up at some time. */
  private readonly letters = new Set<string>();
  /** Those of which the letter was not given back since. */
  private readonly openLetters = new Set<string>();
  private readonly discarded = new Set<string>();
  private readonly violations: string[] = [];
  private readonly members: Member[] = [];
  private commitsWork = true;

  constructor(policy: Policy, latencies: readonly number[]) {
    this.policy = policy;
    this.latencies = latencies;
  }

  async begin(): Promise<void> {
    const member = { consumer: new ScriptedConsumer(), running: new Map(), busy: new Set(), dead: false } as unknown as Member;
    this.members.push(member);
    member.consumer.onCommit = async (positions) => {
      await settle();
      if (!this.commitsWork) throw new Error('not reachable');
      if (member !== this.owner) return false;
      for (const { partition, offset } of positions) this.commit(partition, Number(offset));
      return true;
    };
    member.setup = await groupUnderTest(
      {
        handler: this.handlerOf(member),
        parked: this.storeOf(member),
        giveUp: this.policy,
        retryPolicy: { delaysMs: [1_000, 5_000], jitter: 0 },
        limits: { concurrencyMax: 3, inFlightRecordsMax: 40 },
        handlerTimeoutMs: 600_000,
        commitIntervalMs: 500,
        producer: {
          send: async (sent) => {
            await settle();
            if (member.dead) return new Promise(() => undefined);
            for (const { headers } of sent) {
              const name = `${TOPIC}/${headerText(headers, 'dlt-original-partition')}/${headerText(headers, 'dlt-original-offset')}`;
              this.letters.add(name);
              this.openLetters.add(name);
            }
          },
        },
      },
      PARTITIONS,
      member.consumer,
      this.clock,
    );
    for (const index of PARTITIONS.keys()) this.position[index] = this.committed[index]!;
    this.redeliver();
  }

  async take(next: Step): Promise<void> {
    switch (next.do) {
      case 'deliver':
        this.append(next.partition, next.count);
        break;
      case 'end': {
        const ends = this.members.flatMap((member) => (member.dead ? [] : [...member.running.values()]));
        if (ends.length > 0) ends[next.which % ends.length]!(RESULTS[next.result]);
        break;
      }
      case 'wait':
        await this.clock.advance(next.ms);
        break;
      case 'rebalance': {
        const of = PARTITIONS[next.partition]!;
        const revoking = this.owner.consumer.callbacks.onRevoking([of]);
        await this.clock.advance(30_000);
        await revoking;
        this.position[next.partition] = this.committed[next.partition]!;
        this.owner.consumer.callbacks.onAssigned([of]);
        break;
      }
      case 'crash':
        this.owner.dead = !next.goesOn;
        await this.begin();
        break;
      case 'commits':
        this.commitsWork = next.work;
        break;
      case 'store':
        this.store.away = !next.works;
        break;
      case 'operator':
        this.operate(next.says, next.which);
        break;
    }
    await settle();
    this.redeliver();
    this.checkBooks();
  }

  /** When all is well again, and operators let every blocked key go on, each record has its effect or was discarded. */
  async heal(): Promise<void> {
    this.commitsWork = true;
    this.store.away = false;
    for (const zombie of this.members.slice(0, -1)) if (!zombie.dead) zombie.consumer.callbacks.onLost(PARTITIONS);
    for (let round = 0; round < 1_000 && !this.isQuiet(); round += 1) {
      this.redeliver();
      await settle();
      for (const end of [...this.owner.running.values()]) end(ACKED);
      if (this.store.rows.some(({ blocked }) => blocked)) this.operate('retry', 0);
      await this.clock.advance(1_000);
    }
    this.checkBooks();
    expect(this.store.rows).toEqual([]);
    expect(this.committed).toEqual(this.log.map((records) => records.length));
    for (const record of this.log.flat()) expect(this.isAccountedFor(nameOf(record))).toBe(true);
    expect(this.owner.setup.group.balance().inFlight).toBe(0);
    for (const member of this.members) {
      expect(member.setup.fatal).toEqual([]);
      await member.setup.group.stop(AbortSignal.abort());
    }
  }

  private get owner(): Member {
    return this.members.at(-1)!;
  }

  private handlerOf(member: Member): EventHandler {
    return (event, { partition, offset, signal }) => {
      const name = `${TOPIC}/${partition}/${offset}`;
      const key = event.aggregateId;
      this.claim(!member.busy.has(key), `two events of ${key} at once`);
      this.checkOrder(partition, offset, key, 'began');
      member.busy.add(key);
      return new Promise((resolve) => {
        const end = (result: HandlerResult): void => {
          member.running.delete(name);
          member.busy.delete(key);
          if (result.kind !== 'acked') {
            resolve(result);
            return;
          }
          if (this.effects.has(name)) {
            resolve({ kind: 'skipped', reason: 'duplicate' });
            return;
          }
          this.checkOrder(partition, offset, key, 'had its effect');
          this.effects.add(name);
          resolve(result);
        };
        member.running.set(name, end);
        signal.addEventListener('abort', () => {
          member.running.delete(name);
          member.busy.delete(key);
        });
      });
    };
  }

  /** The store, as this member reaches it: with waits of any length on the way there and back, and none of it once it is dead. */
  private storeOf(member: Member): ParkedRecords {
    const via = async <T>(ask: () => Promise<T>): Promise<T> => {
      await this.travel();
      if (isDead(member)) return new Promise(() => undefined);
      const answer = await ask();
      await this.travel();
      return isDead(member) ? new Promise(() => undefined) : answer;
    };
    return {
      heads: (...args) => via(() => this.store.heads(...args)),
      read: (lanes, partitions) => via(() => this.store.read(lanes, partitions, { recordsMax: 2 })),
      park: (...args) => via(() => this.store.park(...args)),
      settle: (...args) => via(() => this.store.settle(...args)),
      survey: (...args) => via(() => this.store.survey(...args)),
    };
  }

  private async travel(): Promise<void> {
    this.asked += 1;
    for (let turns = this.latencies[this.asked % this.latencies.length]!; turns > 0; turns -= 1) await settle();
  }

  /** I5: whatever came before it in its partition and of its key is over. */
  private checkOrder(partition: number, offset: bigint, key: string, what: string): void {
    for (const earlier of this.log[partition]!) {
      if (earlier.offset >= offset) return;
      const name = nameOf(earlier);
      if (keyOf(earlier) === key) this.claim(this.isOver(name), `${partition}/${offset} ${what} before ${name} was over`);
    }
  }

  private isOver(name: string): boolean {
    if (this.effects.has(name) || this.discarded.has(name)) return true;
    // Given up: its key goes on, unless that is what must not be, and what cannot be kept blocks no key.
    return this.letters.has(name) && (this.policy === 'continue' || this.isRefused(name));
  }

  private isRefused(name: string): boolean {
    return this.log.flat().some((record) => nameOf(record) === name && record.timestampMs >= REFUSED_FROM_MS);
  }

  /** A letter that was given back is no account of its record any more. */
  private isAccountedFor(name: string): boolean {
    if (this.effects.has(name) || this.discarded.has(name)) return true;
    return this.openLetters.has(name) && (this.policy === 'continue' || this.isRefused(name));
  }

  private commit(partition: number, next: number): void {
    this.committed[partition] = next;
    // I6: nothing below a committed offset is unfinished, unless it is durable elsewhere.
    for (const record of this.log[partition]!.slice(0, next)) {
      const name = nameOf(record);
      const waits = this.store.rows.some((row) => nameOf(row.record) === name);
      this.claim(waits || this.isAccountedFor(name), `${name} is below a commit and nowhere`);
    }
  }

  private operate(says: 'retry' | 'discard' | 'replay', which: number): void {
    const blocked = this.store.rows.filter((row) => row.blocked);
    const one = blocked[which % Math.max(1, blocked.length)];
    if (says === 'replay') {
      this.replay(which);
      return;
    }
    if (one === undefined) return;
    if (says === 'retry')
      this.store.change((rows) => rows.map((row) => (row.seq === one.seq ? { ...row, blocked: false, attempts: 0, dueAtMs: 0 } : row)));
    else {
      this.discarded.add(nameOf(one.record));
      this.store.change((rows) => rows.filter(({ seq }) => seq !== one.seq));
    }
  }

  private replay(which: number): void {
    const all = this.log.flat().filter((record) => this.openLetters.has(nameOf(record)) && !this.isRefused(nameOf(record)));
    // Those first of which the row is still there: what follows from the letter is on its way.
    const hereStill = all.filter((record) => this.store.rows.some((row) => !row.blocked && nameOf(row.record) === nameOf(record)));
    const some = hereStill.length > 0 ? hereStill : all;
    const record = some[which % Math.max(1, some.length)];
    if (record === undefined) return;
    const error = { code: 'HANDLER_FAILED', message: 'replayed' } as const;
    const waiting = { attempts: 0, delayMs: 0, blocked: false, firstFailedAtMs: undefined, error };
    this.store.giveBack({ ...waiting, lane: keyOf(record), record, event: eventOf(record) });
    this.openLetters.delete(nameOf(record));
  }

  /** I10 */
  private checkBooks(): void {
    expect(this.violations).toEqual([]);
    const { in: taken, acked, skipped, retried, deadLettered, released, inFlight } = this.owner.setup.group.balance();
    expect(acked + skipped + retried + deadLettered + released + inFlight).toBe(taken);
  }

  private isQuiet(): boolean {
    const isCommitted = this.committed.every((at, index) => at === this.log[index]!.length);
    return isCommitted && this.store.rows.length === 0 && this.owner.setup.group.balance().inFlight === 0;
  }

  private append(partition: number, count: number): void {
    const records = this.log[partition]!;
    for (let added = 0; added < count; added += 1) {
      const at = records.length;
      const record = consumedRecord({ at, partition, key: KEYS[(at * 7 + partition) % KEYS.length]! });
      // Now and then one that the store refuses to keep.
      records.push(at % 9 === 4 ? { ...record, timestampMs: REFUSED_FROM_MS } : record);
    }
  }

  private redeliver(): void {
    for (const { partition } of PARTITIONS) {
      if (this.owner.consumer.paused.has(`${TOPIC}/${partition}`)) continue;
      const records = this.log[partition]!;
      this.owner.consumer.deliver(records.slice(this.position[partition]));
      this.position[partition] = records.length;
    }
  }

  private claim(holds: boolean, violation: string): void {
    if (!holds) this.violations.push(violation);
  }
}

function isDead(member: Member): boolean {
  return member.dead;
}

function keyOf(record: ConsumedRecord): string {
  return Buffer.from(record.key ?? []).toString();
}

function eventOf(record: ConsumedRecord): RecordToPark['event'] {
  return { id: headerText(record.headers, 'id') ?? '', type: 'Happened', traceId: headerText(record.headers, 'trace_id') ?? '' };
}

function nameOf({ topic, partition, offset }: ConsumedRecord): string {
  return `${topic}/${partition}/${offset}`;
}

it.each(['continue', 'block'] as const)(
  'keeps the order of each key and one effect per record through retries, rebalances, crashes, zombies and operators, with policy %s',
  async (policy) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120 }), latencies, async (steps, turns) => {
        const world = new World(policy, turns);
        await world.begin();
        for (const next of steps) await world.take(next);
        await world.heal();
      }),
      { numRuns: 100 },
    );
  },
);
