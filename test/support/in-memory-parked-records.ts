import type { Clock } from '../../core/clock.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { ParkedHead, ParkedRecord, ParkedRecords, ParkedSurvey, RecordToPark, Settlement } from '../../core/parked-records.ts';
import type { TopicPartition } from '../../core/record.ts';

export interface ParkedRow extends RecordToPark {
  readonly seq: bigint;
  readonly parkedAtMs: number;
  readonly given: number;
  dueAtMs: number;
}

/** A group's parked records as the database keeps them, in memory: they outlive the group that is tested. */
export class InMemoryParkedRecords implements ParkedRecords {
  rows: ParkedRow[] = [];
  away = false;
  /** How many records each write put in. */
  readonly writes: number[] = [];
  private readonly clock: Clock;
  private lastSeq = 0n;
  private revision = 0n;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  async heads(partitions: readonly TopicPartition[]): Promise<readonly ParkedHead[]> {
    await this.reach();
    const heads = new Map<string, ParkedHead>();
    for (const row of this.of(partitions)) {
      const { topic, partition } = row.record;
      const name = `${topic}/${partition}/${row.lane}`;
      const { lane, seq, blocked } = row;
      if (!heads.has(name)) heads.set(name, { lane, seq, topic, partition, dueInMs: this.dueInMs(row), blocked });
    }
    return [...heads.values()];
  }

  async read(
    lanes: readonly string[],
    partitions: readonly TopicPartition[],
    limits: { readonly recordsMax: number },
  ): Promise<readonly ParkedRecord[]> {
    await this.reach();
    return lanes.flatMap((lane) => {
      const all = this.of(partitions).filter((row) => row.lane === lane);
      return all.slice(0, limits.recordsMax).map((row): ParkedRecord => {
        const { seq, record, attempts, blocked, firstFailedAtMs, given } = row;
        return { lane, seq, record, attempts, blocked, firstFailedAtMs, given, dueInMs: this.dueInMs(row), isLast: row === all.at(-1) };
      });
    });
  }

  async park(records: readonly RecordToPark[]): Promise<void> {
    await this.reach();
    this.writes.push(records.length);
    if (records.some(({ record }) => record.timestampMs >= BIGINT_END)) throw REFUSED;
    for (const record of records) this.insert(record);
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    await this.reach();
    if (settlements.some((settlement) => 'error' in settlement && settlement.error.message.includes('\0'))) throw REFUSED;
    for (const settlement of settlements) this.settleOne(settlement);
  }

  async survey(partitions: readonly TopicPartition[]): Promise<ParkedSurvey> {
    await this.reach();
    const rows = this.of(partitions);
    const blocked = rows.filter((row) => row.blocked);
    const now = this.clock.nowMs();
    return {
      records: rows.length,
      lanes: new Set(rows.map(({ lane }) => lane)).size,
      oldestAgeMs: rows.length === 0 ? 0 : now - Math.min(...rows.map(({ parkedAtMs }) => parkedAtMs)),
      blockedLanes: new Set(blocked.map(({ lane }) => lane)).size,
      blockedForMs: blocked.length === 0 ? 0 : now - Math.min(...blocked.map(({ dueAtMs }) => dueAtMs)),
      revision: this.revision,
      discarded: 0,
    };
  }

  /** What somebody else does: the owner hears of it by the revision. */
  change(how: (rows: ParkedRow[]) => ParkedRow[]): void {
    this.rows = how(this.rows);
    this.revision += 1n;
  }

  insert(record: RecordToPark): void {
    if (this.rows.some((row) => isSame(row, record))) return;
    this.lastSeq += 1n;
    const now = this.clock.nowMs();
    this.rows.push({ ...record, seq: this.lastSeq, parkedAtMs: now, given: 0, dueAtMs: now + record.delayMs });
  }

  /** What a replay does. */
  giveBack(record: RecordToPark): void {
    const waiting = this.rows.find((row) => isSame(row, record));
    if (waiting === undefined) this.insert(record);
    const { attempts, blocked, delayMs } = record;
    const change = { record: record.record, attempts, blocked, dueAtMs: this.clock.nowMs() + delayMs };
    this.change((rows) => rows.map((row) => (row === waiting ? { ...row, ...change, given: row.given + 1 } : row)));
  }

  private settleOne(settlement: Settlement): void {
    const index = this.rows.findIndex(({ seq }) => seq === settlement.parked.seq);
    const row = this.rows[index];
    if (row === undefined) return;
    const isGivenUp = settlement.kind === 'buried' || settlement.kind === 'blocked';
    if (isGivenUp && row.given !== settlement.parked.given) return;
    if (settlement.kind === 'finished' || settlement.kind === 'buried') {
      this.rows.splice(index, 1);
      return;
    }
    if (row.attempts !== settlement.parked.attempts) return;
    const { attempts, error, kind } = settlement;
    const dueAtMs = this.clock.nowMs() + (kind === 'again' ? settlement.delayMs : 0);
    this.rows[index] = { ...row, attempts, error, dueAtMs, blocked: kind === 'blocked' };
  }

  private of(partitions: readonly TopicPartition[]): ParkedRow[] {
    return this.rows.filter(({ record }) =>
      partitions.some(({ topic, partition }) => topic === record.topic && partition === record.partition),
    );
  }

  private dueInMs({ dueAtMs }: ParkedRow): number {
    return Math.max(0, dueAtMs - this.clock.nowMs());
  }

  /** An answer takes a turn of the event loop, as one from a server does. */
  private async reach(): Promise<void> {
    await Promise.resolve();
    if (this.away) throw new ClassifiedError('POSTGRES_UNAVAILABLE', 'away');
  }
}

/** As PostgreSQL does: none of its numbers is so large, and no text of it can hold a zero character. */
const REFUSED = new ClassifiedError('PARKING_REFUSED', 'refused');
const BIGINT_END = 2 ** 63;

function isSame(a: RecordToPark, b: RecordToPark): boolean {
  return identityOf(a) === identityOf(b);
}

function identityOf({ record: { topic, partition, offset, timestampMs }, event }: RecordToPark): string {
  return [topic, partition, offset, timestampMs, event?.id].join('/');
}
