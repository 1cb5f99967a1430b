import type { BrokerDriver, Consumer } from '../../core/broker.ts';
import type { ConsumedRecord } from '../../core/record.ts';

export interface TopicRecords {
  /** In the order of arrival; per partition in the order of the offsets. */
  readonly records: ConsumedRecord[];
  of(topic: string): ConsumedRecord[];
  stop(): Promise<void>;
}

/** Reads topics from their beginning under a group of its own, which is deleted by `stop`. */
export async function readTopics(driver: BrokerDriver, group: string, topics: readonly string[]): Promise<TopicRecords> {
  const records: ConsumedRecord[] = [];
  const consumer: Consumer = driver.consumer({ group, topics, from: 'earliest' });
  await consumer.start({
    onRecords: (_partition, batch) => records.push(...batch),
    onAssigned: () => undefined,
    onRevoking: async () => undefined,
    onLost: () => undefined,
    onFatal: () => undefined,
  });
  return {
    records,
    of: (topic) => records.filter((record) => record.topic === topic),
    stop: async () => {
      await consumer.stop();
      const admin = driver.admin();
      await admin.deleteGroups([group]);
      await admin.stop();
    },
  };
}
