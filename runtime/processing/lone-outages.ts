/** So many times may be bad luck; the next one is the record's own doing. */
const BAD_LUCK_MAX = 2;
/** Records that are remembered: as many as a group holds in hand. Who is forgotten has its luck again. */
const RECORDS_MAX = 10_000;

interface Met {
  /** Outages that it met although others were answered after its last one. */
  readonly times: number;
  /** Monotonic milliseconds: its last outage. */
  readonly atMs: number;
}

/**
 * Which records met outages of a dependency that answered others between their tries: what looks like an outage to one
 * record alone is that record. Bounded; outlives the time that a record is parked.
 */
export class LoneOutages {
  /** By the record's id, in the order of the last time. */
  private readonly met = new Map<string, Met>();

  /** The record met an outage; `mayTell`: it was tried while nothing else spoke for an outage. */
  note(id: string, answeredAtMs: number, mayTell: boolean, nowMs: number): void {
    const before = this.met.get(id);
    const isAlone = before !== undefined && mayTell && before.atMs < answeredAtMs;
    this.met.delete(id);
    this.met.set(id, { times: (before?.times ?? 0) + (isAlone ? 1 : 0), atMs: nowMs });
    for (const oldest of this.met.keys()) {
      if (this.met.size <= RECORDS_MAX) return;
      this.met.delete(oldest);
    }
  }

  /** The dependency has answered the record: nothing is wrong with it. */
  forget(record: { readonly id: string }): void {
    if (this.met.size > 0) this.met.delete(record.id);
  }

  /** It has been alone with an outage before. */
  hasBeenAlone(id: string): boolean {
    return (this.met.get(id)?.times ?? 0) > 0;
  }

  /** One more outage would be one too many to be bad luck. */
  isDueToRecord(id: string, answeredAtMs: number): boolean {
    const before = this.met.get(id);
    return before !== undefined && before.times >= BAD_LUCK_MAX && before.atMs < answeredAtMs;
  }
}
