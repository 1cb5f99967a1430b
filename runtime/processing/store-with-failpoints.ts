import type { ParkedRecords } from '../../core/parked-records.ts';
import type { Failpoint, FailpointLabel } from './failpoint.ts';

/** The store, with a place to stop before and behind each of its questions and writes. */
export function storeWithFailpoints(store: ParkedRecords, failpoint: Failpoint): ParkedRecords {
  const between = async <T>(before: FailpointLabel, after: FailpointLabel, work: () => Promise<T>): Promise<T> => {
    await failpoint(before);
    const answer = await work();
    await failpoint(after);
    return answer;
  };
  return {
    heads: (partitions) => between('before-resume', 'after-resume', () => store.heads(partitions)),
    read: (lanes, partitions, limits) => between('before-parked-read', 'after-parked-read', () => store.read(lanes, partitions, limits)),
    park: (records) => between('before-park', 'after-park', () => store.park(records)),
    settle: (settlements) => between('before-settle', 'after-settle', () => store.settle(settlements)),
    survey: (partitions) => store.survey(partitions),
  };
}
