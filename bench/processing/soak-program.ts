import { setTimeout as sleep } from 'node:timers/promises';
import { ClassifiedError } from '../../core/errors.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { startGroup } from './group.ts';
import { endWhenTold, orderOf, reportBack } from './program-channel.ts';
import { isPoison } from './soak-load.ts';

export interface SoakProgramOrder {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly deadLetterTopic: string;
}

/** What it tells when it is asked, the heap collected before. */
export interface SoakSample {
  readonly heapMb: number;
  readonly rssMb: number;
  readonly acked: number;
  readonly deadLettered: number;
  readonly inFlight: number;
}

const MB = 1_000_000;
const HANDLER_MS = 2;

/** A group that fails a part of its records for good. Started with `--expose-gc`. */
const order = orderOf<SoakProgramOrder>();
const producer = createKafkaJsDriver({ brokers: order.brokers, clientId: 'bench', logger: SILENT_LOGGER }).producer({ clientId: 'bench' });
await producer.start();
const group = await startGroup({
  ...order,
  group: `${order.topic}.soak`,
  producer,
  deadLetterTopicOf: () => order.deadLetterTopic,
  retryPolicy: { delaysMs: [50, 100, 200], jitter: 0.2 },
  handler: async (event) => {
    await sleep(HANDLER_MS);
    if (isPoison(event.id)) return { kind: 'failed', error: new ClassifiedError('HANDLER_FAILED', 'one of those that always fail') };
    return { kind: 'acked' };
  },
});
endWhenTold(async () => {
  await group.stop(AbortSignal.timeout(5_000));
  await producer.stop();
});
process.on('message', () => {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  const { acked, deadLettered, inFlight } = group.balance();
  void reportBack({ heapMb: (heapUsed + external) / MB, rssMb: rss / MB, acked, deadLettered, inFlight } satisfies SoakSample);
});
await reportBack({ running: true });
