import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ParkedRecord } from '../../core/parked-records.ts';
import { recordBytes } from '../../core/record.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { ManualClock, settle } from '../../test/support/manual-clock.ts';
import { ParkedLanes } from './parked-lanes.ts';
import { PartitionEpoch } from './partition-epoch.ts';

const PARTITION = { topic: 'events.happened', partition: 0 };
const MEMORY = { recordsMax: 20, bytesMax: 40_000 };

/** A record of the lane, of about so many bytes. */
function parked(lane: string, seq: bigint, bytes: number): ParkedRecord {
  const record = { ...consumedRecord({ at: Number(seq), key: lane }), value: new Uint8Array(bytes) };
  return { lane, seq, record, attempts: 1, dueInMs: 0, blocked: false, firstFailedAtMs: undefined, given: 0, isLast: false };
}

/** What waits in a store, lanes over it, and a loop in which records stay until the test ends them. */
class Waiting {
  readonly handled: ParkedRecord[] = [];
  readonly inLoop: ParkedRecord[] = [];
  readonly lanes: ParkedLanes;
  readonly largest: number;
  private rows: ParkedRecord[];

  constructor(sizes: readonly (readonly number[])[], activeMax: number) {
    let seq = 0n;
    this.rows = sizes.flatMap((of, index) => of.map((bytes) => parked(`lane ${index}`, (seq += 1n), bytes)));
    this.largest = Math.max(0, ...this.rows.map(({ record }) => recordBytes(record)));
    const epoch = new PartitionEpoch<never>(PARTITION);
    this.lanes = new ParkedLanes({
      clock: new ManualClock(),
      activeMax,
      memory: MEMORY,
      read: async (lanes, page) => {
        await settle();
        return lanes.flatMap((lane) => this.read(lane, page));
      },
      epochOf: () => epoch,
      handOver: (record) => void this.inLoop.push(record),
    });
  }

  get names(): readonly string[] {
    return [...new Set(this.rows.map(({ lane }) => lane))];
  }

  begin(): void {
    this.lanes.learn(
      this.names.map((lane) => ({ ...PARTITION, lane, seq: 1n, dueInMs: 0, blocked: false })),
      true,
    );
  }

  end(which: number): void {
    const [record] = this.inLoop.splice(which % this.inLoop.length, 1);
    if (record === undefined) return;
    this.handled.push(record);
    this.rows = this.rows.filter((row) => row !== record);
    const lane = this.lanes.find(record.lane);
    if (lane !== undefined) this.lanes.advance(lane);
  }

  private read(lane: string, { recordsMax, bytesMax }: { readonly recordsMax: number; readonly bytesMax: number }): ParkedRecord[] {
    const all = this.rows.filter((row) => row.lane === lane);
    let bytes = 0;
    const page = all.slice(0, recordsMax).filter(({ record }, index) => {
      bytes += recordBytes(record);
      return index === 0 || bytes <= bytesMax;
    });
    return page.map((row, index) => {
      const shown = { ...row, isLast: index === page.length - 1 && page.length === all.length };
      // The same record, so that its end is found in the store.
      Object.assign(row, { isLast: shown.isLast });
      return row;
    });
  }
}

it('holds no more bytes of parked records than it may and one record, over all lanes, and hands out all of them in their order', async () => {
  const size = fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0, max: 2_000 }) },
    { weight: 1, arbitrary: fc.constantFrom(9_000, 60_000) },
  );
  const sizes = fc.array(fc.array(size, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.nat(), { minLength: 1, maxLength: 20 }),
      async (of, activeMax, ends) => {
        const total = of.flat().length;
        const waiting = new Waiting(of, activeMax);
        waiting.begin();
        for (let turn = 0; waiting.handled.length < total; turn += 1) {
          await settle();
          expect(waiting.lanes.bytes).toBeLessThanOrEqual(MEMORY.bytesMax + waiting.largest);
          expect(waiting.inLoop.length).toBeGreaterThan(0);
          waiting.end(ends[turn % ends.length]!);
        }
        await settle();
        expect(waiting.lanes.bytes).toBe(0);
        expect(waiting.lanes.size).toBe(0);
        const seqs = new Map<string, bigint>();
        for (const { lane, seq } of waiting.handled) {
          expect(seq).toBeGreaterThan(seqs.get(lane) ?? 0n);
          seqs.set(lane, seq);
        }
      },
    ),
    { numRuns: 200 },
  );
});
