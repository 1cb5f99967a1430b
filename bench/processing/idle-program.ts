import { startGroup } from './group.ts';
import { endWhenTold, orderOf, reportBack } from './program-channel.ts';

export interface IdleProgramOrder {
  readonly brokers: readonly string[];
  /** One group for each, which has nothing to read. */
  readonly topics: readonly string[];
}

/** Groups that wait for work, in one process. */
const order = orderOf<IdleProgramOrder>();
const groups = await Promise.all(
  order.topics.map((topic) =>
    startGroup({
      brokers: order.brokers,
      topic,
      group: `${topic}.idle`,
      handler: () => Promise.reject(new Error('nothing is to be read')),
    }),
  ),
);
endWhenTold(async () => {
  await Promise.all(groups.map((group) => group.stop(AbortSignal.timeout(5_000))));
});
await reportBack({ running: true });
