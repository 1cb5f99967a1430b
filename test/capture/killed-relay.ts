import { createRelay } from '../../connectors/outbox/relay.ts';
import type { RelayFailpoint } from '../../connectors/outbox/failpoint.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { Names } from '../../core/names.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { JSON_PASS_THROUGH } from '../support/relay-under-test.ts';
import { systemClock } from '../support/system-clock.ts';

/** A relay in a process of its own, which kills itself without a farewell when it comes to a place for the n-th time. */
export interface KilledRelay {
  readonly url: string;
  readonly namespace: string;
  readonly brokers: readonly string[];
  readonly dieAt: RelayFailpoint;
  readonly onVisit: number;
}

const task = JSON.parse(process.argv[2] ?? '{}') as KilledRelay;
const driver = createKafkaJsDriver({ brokers: [...task.brokers], clientId: 'test-killed', logger: SILENT_LOGGER });
const producer = driver.producer({ clientId: 'test-killed' });
let visits = 0;

await producer.start();
const relay = createRelay({
  domain: 'image',
  connection: { url: task.url },
  names: new Names(task.namespace),
  routes: new Set(['image.registered']),
  producer,
  encoder: JSON_PASS_THROUGH,
  metrics: NO_METRICS,
  logger: SILENT_LOGGER,
  clock: systemClock,
  settings: { batchRowsMax: 7, statusDelayMs: 1 },
  failpoint: async (label) => {
    if (label !== task.dieAt) return;
    visits += 1;
    if (visits === task.onVisit) process.kill(process.pid, 'SIGKILL');
  },
});
await relay.start(new AbortController().signal);
if (task.dieAt.startsWith('stop-')) await relay.stop(new AbortController().signal);
