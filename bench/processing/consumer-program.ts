import { eachMessageSide, lanesSide, millraceSide, type ConsumerSide } from './consumer-sides.ts';
import { Pass, type PassOrder } from './pass.ts';
import { endWhenTold, orderOf, reportBack } from './program-channel.ts';

const SIDES = { millrace: millraceSide, lanes: lanesSide, 'each-message': eachMessageSide } as const satisfies Record<string, ConsumerSide>;

export interface ConsumerProgramOrder {
  readonly side: keyof typeof SIDES;
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly topicRecords: number;
  readonly keys: number;
  readonly handlerMs: number;
  readonly concurrency: number;
  /** One after another in this process: what comes later is warm. */
  readonly passes: readonly PassOrder[];
}

/** Reads a topic by one of the sides that run in Node, once per pass, and reports the outcome of each. */
const order = orderOf<ConsumerProgramOrder>();
endWhenTold(async () => undefined);
for (const each of order.passes) {
  const pass = new Pass(each, order);
  await SIDES[order.side](each, pass, order);
  await reportBack(pass.outcome());
}
