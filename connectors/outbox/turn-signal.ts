import { setMaxListeners } from 'node:events';

/** A signal that ends with the turn or with a lifetime; each lane that waits listens to it. */
export class TurnSignal {
  private readonly lifetime: AbortSignal;
  private turnEnd = new AbortController();
  private current: AbortSignal;

  constructor(lifetime: AbortSignal) {
    this.lifetime = lifetime;
    this.current = this.ofTurn();
  }

  get signal(): AbortSignal {
    return this.current;
  }

  /** Ends this turn and begins the next one. */
  next(): void {
    this.turnEnd.abort();
    this.turnEnd = new AbortController();
    this.current = this.ofTurn();
  }

  private ofTurn(): AbortSignal {
    const signal = AbortSignal.any([this.turnEnd.signal, this.lifetime]);
    setMaxListeners(0, signal);
    return signal;
  }
}
