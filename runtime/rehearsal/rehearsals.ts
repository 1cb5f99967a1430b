import type { GroupQueue } from '../dead-letters/letter-queues.ts';
import type { ComposeOptions } from './compose-rehearsal.ts';
import { composeRehearsal } from './compose-rehearsal.ts';
import type { GroupRehearsal } from './rehearsal.ts';

/** The rehearsals of the groups that come up, each made once. */
export class Rehearsals {
  private readonly options: ComposeOptions;
  private readonly made = new Map<string, Promise<GroupRehearsal>>();

  constructor(options: ComposeOptions) {
    this.options = options;
  }

  of(queue: GroupQueue): Promise<GroupRehearsal> {
    const known = this.made.get(queue.group);
    if (known !== undefined) return known;
    const rehearsal = composeRehearsal(queue, this.options);
    this.made.set(queue.group, rehearsal);
    return rehearsal;
  }

  async stop(): Promise<void> {
    for (const rehearsal of await Promise.allSettled(this.made.values())) if (rehearsal.status === 'fulfilled') rehearsal.value.stop();
  }
}
