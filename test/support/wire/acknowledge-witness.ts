/** Where a row committed, as the server says it. */
export interface CommittedRow {
  readonly id: string;
  /** Start of the commit record. */
  readonly commitLsn: bigint;
}

interface Status {
  readonly flushLsn: bigint;
  /** Its place in the order of everything that was seen. */
  readonly place: number;
}

/**
 * The acknowledge rule, judged by what passed on the wire: PostgreSQL forgets a transaction whose commit record starts below the
 * flush position that it was told, so by then Kafka must have acknowledged each of its rows. Says nothing of what the relay
 * believes; knows nothing of its code.
 */
export class AcknowledgeWitness {
  /** Every breach, in words, in the order in which it was seen. Empty as long as the rule holds. */
  readonly breaches: string[] = [];
  private readonly acknowledgedAt = new Map<string, number>();
  /** Rows that Kafka owes, by the position of their commit. */
  private readonly owed = new Map<bigint, Set<string>>();
  private readonly named = new Set<bigint>();
  private readonly told: Status[] = [];
  private highestTold = 0n;
  private clock = 0;

  /** The server sent a row to the relay. */
  row({ id, commitLsn }: CommittedRow): void {
    if (this.acknowledgedAt.has(id)) return;
    if (commitLsn < this.highestTold) this.breach(id, commitLsn, this.highestTold);
    const owed = this.owed.get(commitLsn);
    if (owed === undefined) this.owed.set(commitLsn, new Set([id]));
    else owed.add(id);
  }

  /** The server named a position that may be told one day: the end of a commit, or a keepalive's. */
  position(lsn: bigint): void {
    this.named.add(lsn);
  }

  /** A produce response without an error has passed. */
  acknowledged(ids: readonly string[]): void {
    this.clock += 1;
    for (const id of ids) if (!this.acknowledgedAt.has(id)) this.acknowledgedAt.set(id, this.clock);
  }

  /** The relay told the server a flush position; 0 says nothing. */
  status(flushLsn: bigint): void {
    if (flushLsn === 0n) return;
    this.clock += 1;
    this.told.push({ flushLsn, place: this.clock });
    if (!this.named.has(flushLsn)) this.breaches.push(`position ${hex(flushLsn)} was told, and the server never named it`);
    for (const [commitLsn, ids] of this.owed) {
      for (const id of ids) {
        if (this.acknowledgedAt.has(id)) ids.delete(id);
        else if (commitLsn < flushLsn) this.breach(id, commitLsn, flushLsn);
      }
      if (ids.size === 0) this.owed.delete(commitLsn);
    }
    if (flushLsn > this.highestTold) this.highestTold = flushLsn;
  }

  /** Something passed that cannot be read here. A witness that is blind must not call the relay honest. */
  blind(what: string): void {
    this.breaches.push(`the witness could not read ${what}`);
  }

  /**
   * Judges once more, with the server's own list of what committed where: it holds rows, too, that the relay was never sent.
   * Returns the first breach.
   */
  judge(commits: readonly CommittedRow[]): string | undefined {
    const [seen] = this.breaches;
    if (seen !== undefined) return seen;
    for (const { id, commitLsn } of commits) {
      const told = this.told.find((status) => status.flushLsn > commitLsn);
      if (told === undefined) continue;
      const acknowledged = this.acknowledgedAt.get(id);
      if (acknowledged === undefined || acknowledged > told.place) return early(id, commitLsn, told.flushLsn);
    }
    return undefined;
  }

  isAcknowledged(id: string): boolean {
    return this.acknowledgedAt.has(id);
  }

  get acknowledgedIds(): ReadonlySet<string> {
    return new Set(this.acknowledgedAt.keys());
  }

  /** How many status messages told a position. */
  get statuses(): number {
    return this.told.length;
  }

  get highestToldLsn(): bigint {
    return this.highestTold;
  }

  private breach(id: string, commitLsn: bigint, flushLsn: bigint): void {
    this.breaches.push(early(id, commitLsn, flushLsn));
  }
}

function early(id: string, commitLsn: bigint, flushLsn: bigint): string {
  return `row ${id}, committed at ${hex(commitLsn)}, was told as durable by ${hex(flushLsn)} before Kafka acknowledged it`;
}

function hex(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;
}
