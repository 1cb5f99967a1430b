import kafkajs from 'kafkajs';
import type { ClusterFacts, LogReader, LogSlice, TopicFacts } from '../../core/log-reader.ts';
import { offset, type Offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';
import { createKafkaJsClient, DEFAULT_METADATA_MAX_AGE_MS, type KafkaJsSettings } from './kafkajs-client.ts';
import { classifyKafkaError, isUnknownTopic } from './kafkajs-errors.ts';
import { kafkaJsCluster, type KafkaJsClusterAccess } from './kafkajs-internals.ts';
import { fetchSlice } from './kafkajs-log-slice.ts';
import { fetchTopicIds } from './kafkajs-topic-ids.ts';
import { settledWithin, within } from './within.ts';

const CALL_TIMEOUT_MS = 30_000;
const ATTEMPTS = 5;
const ATTEMPT_PAUSE_MS = 200;

const { TOPIC } = kafkajs.ConfigResourceTypes;

/** Connects with the first call and again after a failed one. */
export class KafkaJsLogReader implements LogReader {
  private readonly settings: KafkaJsSettings;
  private connected: Promise<KafkaJsClusterAccess> | undefined;

  constructor(settings: KafkaJsSettings) {
    this.settings = settings;
  }

  describe(topics: readonly string[]): Promise<ClusterFacts> {
    return this.call('the topics could not be looked at', async (cluster) => {
      const { clusterId, ids } = await fetchTopicIds(await cluster.findControllerBroker(), topics);
      const present = topics.filter((topic) => ids.has(topic));
      if (present.length === 0) return { clusterId, topics: [] };
      await cluster.addMultipleTargetTopics(present);
      const [ends, starts, configs] = await Promise.all([
        offsetsOf(cluster, present, { fromBeginning: false }),
        offsetsOf(cluster, present, { fromBeginning: true }),
        this.configs(cluster, present),
      ]);
      const facts = present.map((topic): TopicFacts => ({
        topic,
        id: ids.get(topic) ?? '',
        ...retentionOf(configs.get(topic)),
        partitions: [...(ends.get(topic) ?? [])].map(([partition, end]) => ({
          topic,
          partition,
          earliest: starts.get(topic)?.get(partition) ?? end,
          end,
        })),
      }));
      return { clusterId, topics: facts };
    });
  }

  offsetsSince(topic: string, timestampMs: number): Promise<readonly (TopicPartition & { readonly offset: Offset })[]> {
    return this.call('the offsets of a time could not be read', async (cluster) => {
      await cluster.addMultipleTargetTopics([topic]);
      const found = await offsetsOf(cluster, [topic], { fromTimestamp: timestampMs });
      return [...(found.get(topic) ?? [])].map(([partition, at]) => ({ topic, partition, offset: at }));
    });
  }

  read(where: TopicPartition, from: Offset): Promise<LogSlice> {
    return this.call('the records could not be read', async (cluster) => {
      await cluster.addMultipleTargetTopics([where.topic]);
      return (await fetchSlice(cluster, where, from)) ?? this.skip(cluster, where, from);
    });
  }

  async stop(): Promise<void> {
    await this.disconnect();
  }

  private async skip(cluster: KafkaJsClusterAccess, { topic, partition }: TopicPartition, from: Offset): Promise<LogSlice> {
    const earliest = (await offsetsOf(cluster, [topic], { fromBeginning: true })).get(topic)?.get(partition);
    const end = (await offsetsOf(cluster, [topic], { fromBeginning: false })).get(topic)?.get(partition) ?? from;
    return { records: [], next: earliest !== undefined && earliest > from ? earliest : end, end };
  }

  private async configs(cluster: KafkaJsClusterAccess, topics: readonly string[]): Promise<Map<string, Map<string, string>>> {
    const broker = await cluster.findControllerBroker();
    const { resources } = await broker.describeConfigs({
      resources: topics.map((name) => ({ type: TOPIC, name })),
      includeSynonyms: false,
    });
    return new Map(
      resources.map(({ resourceName, configEntries }) => [
        resourceName,
        new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
      ]),
    );
  }

  private async call<T>(failure: string, action: (cluster: KafkaJsClusterAccess) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await within(CALL_TIMEOUT_MS, this.connect().then(action), `${failure} in time`);
      } catch (thrown) {
        await this.disconnect();
        // A topic that was deleted since it was last asked for, or made a moment ago: a new connection knows neither or both.
        if (!isUnknownTopic(thrown) || attempt === ATTEMPTS) throw classifyKafkaError(thrown, failure);
      }
      await new Promise((resolve) => setTimeout(resolve, ATTEMPT_PAUSE_MS));
    }
  }

  private connect(): Promise<KafkaJsClusterAccess> {
    this.connected ??= (async () => {
      const cluster = kafkaJsCluster(createKafkaJsClient(this.settings), this.settings.metadataMaxAgeMs ?? DEFAULT_METADATA_MAX_AGE_MS);
      await cluster.connect();
      await cluster.refreshMetadata();
      return cluster;
    })();
    return this.connected;
  }

  private async disconnect(): Promise<void> {
    const connected = this.connected;
    this.connected = undefined;
    if (connected !== undefined)
      await settledWithin(
        5_000,
        connected.then((cluster) => cluster.disconnect()),
      );
  }
}

type Place = { readonly fromBeginning: boolean } | { readonly fromTimestamp: number };

async function offsetsOf(
  cluster: KafkaJsClusterAccess,
  topics: readonly string[],
  place: Place,
): Promise<Map<string, Map<number, Offset>>> {
  const requests = topics.map((topic) => ({
    topic,
    ...place,
    partitions: cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => ({ partition: partitionId })),
  }));
  const answers = await cluster.fetchTopicsOffset(requests);
  return new Map(
    answers.map(({ topic, partitions }) => [
      topic,
      new Map(
        partitions
          // A negative one says that there is no such record.
          .filter((each) => !each.offset.startsWith('-'))
          .sort((a, b) => a.partition - b.partition)
          .map((each) => [each.partition, offset(each.offset)]),
      ),
    ]),
  );
}

function retentionOf(config: ReadonlyMap<string, string> | undefined): Pick<TopicFacts, 'retentionMs' | 'removesYoung'> {
  const policy = config?.get('cleanup.policy') ?? 'delete';
  const ms = Number(config?.get('retention.ms') ?? -1);
  return {
    retentionMs: policy.includes('delete') && ms >= 0 ? ms : undefined,
    removesYoung: policy.includes('compact') || Number(config?.get('retention.bytes') ?? -1) >= 0,
  };
}
