export interface LookupCacheOptions {
  readonly maxEntries: number;
  /** How long an answer is good; left out: for ever. */
  readonly ttlMs?: number;
  /** How long a failure is remembered, so that it is not asked for again with every record; 0: not at all. */
  failureTtlMs(failure: unknown): number;
  readonly nowMs?: () => number;
}

interface Entry<V> {
  readonly answer: Promise<V>;
  /** Set when it has come. */
  value?: V;
  /** Undefined while the answer is on its way. */
  goodUntilMs: number | undefined;
}

/** Remembers answers, asks once for what many want at the same time, and forgets what was used least recently. */
export class LookupCache<K, V> {
  private readonly entries = new Map<K, Entry<V>>();
  /** The one that was used last: most often it is used again. */
  private newest: Entry<V> | undefined;
  private readonly options: LookupCacheOptions;
  private readonly nowMs: () => number;

  constructor(options: LookupCacheOptions) {
    this.options = options;
    this.nowMs = options.nowMs ?? Date.now;
  }

  get(key: K, ask: () => Promise<V>): Promise<V> {
    const known = this.entries.get(key);
    if (known !== undefined && (known.goodUntilMs === undefined || this.nowMs() < known.goodUntilMs)) {
      this.remember(key, known);
      return known.answer;
    }
    const entry: Entry<V> = { answer: ask(), goodUntilMs: undefined };
    this.remember(key, entry);
    this.settle(key, entry);
    return entry.answer;
  }

  /** The answer that is here and good; undefined when it has to be waited or asked for. */
  now(key: K): V | undefined {
    const known = this.entries.get(key);
    if (known?.value === undefined || known.goodUntilMs === undefined || this.nowMs() >= known.goodUntilMs) return undefined;
    this.remember(key, known);
    return known.value;
  }

  /** An answer that nobody had to ask for. It is good as long as one that was asked for now. */
  put(key: K, answer: V): void {
    const entry: Entry<V> = { answer: Promise.resolve(answer), value: answer, goodUntilMs: this.goodUntilMs() };
    this.remember(key, entry);
  }

  forget(key: K): void {
    this.entries.delete(key);
  }

  private settle(key: K, entry: Entry<V>): void {
    entry.answer.then(
      (value) => {
        entry.value = value;
        entry.goodUntilMs = this.goodUntilMs();
      },
      (failure: unknown) => {
        const ttlMs = this.options.failureTtlMs(failure);
        entry.goodUntilMs = this.nowMs() + ttlMs;
        if (ttlMs === 0 && this.entries.get(key) === entry) this.entries.delete(key);
      },
    );
  }

  private goodUntilMs(): number {
    return this.options.ttlMs === undefined ? Number.POSITIVE_INFINITY : this.nowMs() + this.options.ttlMs;
  }

  /** Puts the entry last, and drops the first when there are too many. */
  private remember(key: K, entry: Entry<V>): void {
    if (this.newest === entry) return;
    this.newest = entry;
    this.entries.delete(key);
    this.entries.set(key, entry);
    if (this.entries.size <= this.options.maxEntries) return;
    const oldest = this.entries.keys().next();
    if (oldest.done !== true) this.entries.delete(oldest.value);
  }
}
