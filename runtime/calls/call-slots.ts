/** A bounded number of places; who finds none waits in line, and leaves the line when its signal aborts. */
export class CallSlots {
  private free: number;
  private readonly line: (() => void)[] = [];

  constructor(places: number) {
    this.free = places;
  }

  /** Resolves with what gives the place back; rejects with the signal's reason. */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.free > 0) this.free -= 1;
    else await this.wait(signal);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.giveBack();
    };
  }

  private async wait(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const turn = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        const index = this.line.indexOf(turn);
        if (index >= 0) this.line.splice(index, 1);
        reject(signal.reason as Error);
      };
      this.line.push(turn);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  /** A place goes from hand to hand: it is never free while somebody waits. */
  private giveBack(): void {
    const next = this.line.shift();
    if (next === undefined) this.free += 1;
    else next();
  }
}
