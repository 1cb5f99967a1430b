import type { PayloadDecoder } from '../../core/codec.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import type { ProducerRecord, TopicPartition } from '../../core/record.ts';
import { utf8Text } from '../../core/record.ts';
import type { ConsumerGroupOptions } from '../../runtime/processing/consumer-group-options.ts';
import type { ConsumerGroup } from '../../runtime/processing/consumer-group.ts';
import { createConsumerGroup } from '../../runtime/processing/consumer-group.ts';
import { InMemoryParkedRecords } from './in-memory-parked-records.ts';
import { ManualClock, settle } from './manual-clock.ts';
import { ScriptedConsumer } from './scripted-consumer.ts';

export const ACKED: HandlerResult = { kind: 'acked' };

export function failedWith(...error: ConstructorParameters<typeof ClassifiedError>): HandlerResult {
  return { kind: 'failed', error: new ClassifiedError(...error) };
}

/** Reads plain JSON objects. */
export const JSON_DECODER: PayloadDecoder = {
  decode: async (_type, record) => {
    if (record.value === null) throw new ClassifiedError('PAYLOAD_UNREADABLE', 'the value is empty');
    try {
      return JSON.parse(utf8Text(record.value)) as unknown;
    } catch (error) {
      throw new ClassifiedError('PAYLOAD_UNREADABLE', 'the value is not JSON', { cause: error });
    }
  },
};

interface GroupUnderTest {
  readonly group: ConsumerGroup;
  readonly consumer: ScriptedConsumer;
  readonly clock: ManualClock;
  readonly parked: InMemoryParkedRecords;
  /** What was written to dead-letter topics. */
  readonly letters: ProducerRecord[];
  readonly fatal: ClassifiedError[];
}

/** A started group over a scripted consumer and a clock that is turned by hand, assigned to the partitions. */
export async function groupUnderTest(
  options: Pick<ConsumerGroupOptions, 'handler'> & Partial<ConsumerGroupOptions>,
  partitions: readonly TopicPartition[] = [{ topic: 'events.happened', partition: 0 }],
  consumer = new ScriptedConsumer(),
  clock = new ManualClock(),
): Promise<GroupUnderTest> {
  const parked = options.parked instanceof InMemoryParkedRecords ? options.parked : new InMemoryParkedRecords(clock);
  const letters: ProducerRecord[] = [];
  const fatal: ClassifiedError[] = [];
  const group = createConsumerGroup({
    group: 'processor.test',
    service: 'test',
    topics: [...new Set(partitions.map(({ topic }) => topic))],
    broker: { consumer: () => consumer },
    producer: { send: async (records) => void letters.push(...records) },
    decoder: JSON_DECODER,
    wanted: new Set(['Happened']),
    known: new Set(['Happened', 'Ignored']),
    deadLetterTopicOf: (topic) => `${topic}.processor.test.dlt`,
    retryPolicy: { delaysMs: [10_000, 60_000, 300_000], jitter: 0 },
    handlerTimeoutMs: 30_000,
    metrics: NO_METRICS,
    logger: SILENT_LOGGER,
    clock,
    parked,
    random: () => 0.5,
    onFatal: (error) => fatal.push(error),
    ...options,
  });
  await group.start(new AbortController().signal);
  consumer.callbacks.onAssigned(partitions);
  // What waits for the partitions is known from here on.
  await settle();
  return { group, consumer, clock, parked, letters, fatal };
}
