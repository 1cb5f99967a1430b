/**
 * Reading is paused while there is any reason for it. The reasons are a set: were they booleans, the end of one pause would
 * open the tap that another one still holds closed.
 */
export class Tap<Reason extends string> {
  private readonly reasons = new Set<Reason>();
  private readonly turn: (open: boolean) => void;

  /** @param turn called with each change only. A tap begins open. */
  constructor(turn: (open: boolean) => void) {
    this.turn = turn;
  }

  close(reason: Reason): void {
    const wasOpen = this.isOpen;
    this.reasons.add(reason);
    if (wasOpen) this.turn(false);
  }

  open(reason: Reason): void {
    if (this.reasons.delete(reason) && this.isOpen) this.turn(true);
  }

  isClosedFor(reason: Reason): boolean {
    return this.reasons.has(reason);
  }

  get isOpen(): boolean {
    return this.reasons.size === 0;
  }
}
