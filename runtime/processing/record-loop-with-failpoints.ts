import type { HandlerResult } from '../../core/outcome.ts';
import type { Failpoint } from './failpoint.ts';
import { NO_FAILPOINT } from './failpoint.ts';
import type { RecordLoopOptions } from './loop-parts.ts';
import type { RecordInHand } from './record-in-hand.ts';
import { RecordLoop } from './record-loop.ts';

/** Failpoints are left out where nobody has set one: awaiting nothing costs time, too. */
export function createRecordLoop(options: RecordLoopOptions): RecordLoop {
  return options.settings.failpoint === NO_FAILPOINT ? new RecordLoop(options) : new RecordLoopWithFailpoints(options);
}

class RecordLoopWithFailpoints extends RecordLoop {
  private readonly failpoint: Failpoint;

  constructor(options: RecordLoopOptions) {
    super(options);
    this.failpoint = options.settings.failpoint;
  }

  protected override begin(item: RecordInHand): void {
    this.after(this.failpoint('after-intake'), item, () => super.begin(item));
  }

  protected override attemptEnded(item: RecordInHand, result: HandlerResult): void {
    this.after(this.failpoint('after-handler'), item, () => super.attemptEnded(item, result));
  }

  /** What goes wrong in the loop itself ends in the lanes, which close. */
  private after(failpoint: Promise<void>, item: RecordInHand, next: () => void): void {
    failpoint.then(next).catch((error: unknown) => this.broke(item, error));
  }
}
