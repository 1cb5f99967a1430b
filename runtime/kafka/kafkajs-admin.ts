import kafkajs, { AssignerProtocol, type Admin as KafkaAdmin, type DescribeConfigResponse } from 'kafkajs';
import type { BrokerAdmin, GroupMemberFacts, TopicDeclaration } from '../../core/broker.ts';
import type { PartitionOffsets } from '../../core/log-reader.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { offset, type Offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';
import { createKafkaJsClient, type KafkaJsSettings } from './kafkajs-client.ts';
import { classifyKafkaError, kafkaErrorName } from './kafkajs-errors.ts';
import { describeTopicChange, planTopics, type ExistingTopic, type TopicChange } from './topic-plan.ts';
import { within } from './within.ts';

const CALL_TIMEOUT_MS = 30_000;
/** A change is visible on every broker soon after it was accepted. */
const SETTLE_TIMEOUT_MS = 10_000;
const SETTLE_POLL_MS = 100;

// Not a named import: the loader does not see this name of the CommonJS module.
const { TOPIC } = kafkajs.ConfigResourceTypes;
/** What of a topic's settings was set on the topic itself, and not on the broker. */
const { TOPIC_CONFIG } = kafkajs.ConfigSource;

interface DescribedTopic extends ExistingTopic {
  readonly ownConfig: ReadonlyMap<string, string>;
}

/** Connects with the first call and again after a failed one. */
export class KafkaJsAdmin implements BrokerAdmin {
  private readonly settings: KafkaJsSettings;
  private connected: Promise<KafkaAdmin> | undefined;
  private stopped = false;

  constructor(settings: KafkaJsSettings) {
    this.settings = settings;
  }

  ensureTopics(topics: readonly TopicDeclaration[]): Promise<readonly string[]> {
    return this.call('the topics could not be made', async (admin) => {
      const existing = await describe(admin, topics);
      const changes = planTopics(topics, existing);
      for (const change of changes) await apply(admin, change, existing);
      if (changes.length > 0) await settle(admin, topics);
      return changes.map(describeTopicChange);
    });
  }

  listTopics(): Promise<readonly string[]> {
    return this.call('the topics could not be listed', async (admin) => (await admin.listTopics()).sort());
  }

  deleteTopics(topics: readonly string[]): Promise<void> {
    return this.call('the topics could not be deleted', async (admin) => {
      const present = await existingOf(admin, topics);
      if (present.length > 0) await admin.deleteTopics({ topics: present });
    });
  }

  deleteRecords(positions: readonly (TopicPartition & { readonly offset: Offset })[]): Promise<void> {
    return this.call('the records could not be deleted', async (admin) => {
      for (const { topic, partition, offset: before } of positions) {
        // It looks for the leader of a topic that it must have heard of.
        await admin.fetchTopicOffsets(topic);
        await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: before.toString() }] });
      }
    });
  }

  offsets(topics: readonly string[]): Promise<readonly PartitionOffsets[]> {
    return this.call('the offsets could not be read', async (admin) => {
      const perTopic = await Promise.all((await existingOf(admin, topics)).map((topic) => offsetsOf(admin, topic)));
      return perTopic.flat();
    });
  }

  committed(group: string, topics: readonly string[]): Promise<readonly (TopicPartition & { readonly offset: Offset })[]> {
    return this.call('the committed offsets could not be read', async (admin) => {
      const present = await existingOf(admin, topics);
      if (present.length === 0) return [];
      const answers = await admin.fetchOffsets({ groupId: group, topics: present });
      return answers.flatMap(({ topic, partitions }) =>
        partitions
          .filter((partition) => !partition.offset.startsWith('-'))
          .map((partition) => ({ topic, partition: partition.partition, offset: offset(partition.offset) }))
          .sort((a, b) => a.partition - b.partition),
      );
    });
  }

  members(group: string): Promise<readonly GroupMemberFacts[]> {
    return this.call('the members of the group could not be read', async (admin) => {
      const { groups } = await admin.describeGroups([group]);
      return groups.flatMap(({ members }) =>
        members.map(({ clientId, memberMetadata }) => ({ clientId, topics: topicsOf(memberMetadata) })),
      );
    });
  }

  deleteGroups(groups: readonly string[]): Promise<void> {
    return this.call('the groups could not be deleted', async (admin) => {
      for (const group of groups) await deleteGroup(admin, group);
    });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.disconnect();
  }

  private async call<T>(failure: string, action: (admin: KafkaAdmin) => Promise<T>): Promise<T> {
    if (this.stopped) throw new ClassifiedError('KAFKA_UNAVAILABLE', 'the admin client is stopped');
    try {
      return await within(CALL_TIMEOUT_MS, this.connect().then(action), `${failure} in time`);
    } catch (thrown) {
      await this.disconnect();
      throw classifyKafkaError(thrown, failure);
    }
  }

  private connect(): Promise<KafkaAdmin> {
    this.connected ??= (async () => {
      const admin = createKafkaJsClient(this.settings).admin();
      await admin.connect();
      return admin;
    })();
    return this.connected;
  }

  private async disconnect(): Promise<void> {
    const connected = this.connected;
    this.connected = undefined;
    try {
      await within(
        5_000,
        connected?.then((admin) => admin.disconnect()) ?? Promise.resolve(),
        'the admin client did not disconnect in time',
      );
    } catch (thrown) {
      this.settings.logger.debug({ 'kafka.error': kafkaErrorName(thrown) }, 'an admin client was abandoned');
    }
  }
}

async function existingOf(admin: KafkaAdmin, topics: readonly string[]): Promise<string[]> {
  const present = new Set(await admin.listTopics());
  return [...new Set(topics)].filter((topic) => present.has(topic));
}

async function describe(admin: KafkaAdmin, declared: readonly TopicDeclaration[]): Promise<Map<string, DescribedTopic>> {
  const present = await existingOf(
    admin,
    declared.map(({ topic }) => topic),
  );
  if (present.length === 0) return new Map();
  const { topics } = await admin.fetchTopicMetadata({ topics: present });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: present.map((name) => ({ type: TOPIC, name })),
  });
  const settings = new Map(resources.map((resource) => [resource.resourceName, resource.configEntries]));
  return new Map(topics.map(({ name, partitions }) => [name, { partitions: partitions.length, ...configOf(settings.get(name) ?? []) }]));
}

type ConfigEntries = DescribeConfigResponse['resources'][number]['configEntries'];

function configOf(entries: ConfigEntries): Pick<DescribedTopic, 'config' | 'ownConfig'> {
  const pairs = (chosen: ConfigEntries) => new Map(chosen.map(({ configName, configValue }) => [configName, configValue]));
  const own = entries.filter((entry) => entry.configSource === TOPIC_CONFIG && !entry.isSensitive);
  return { config: pairs(entries), ownConfig: pairs(own) };
}

async function apply(admin: KafkaAdmin, change: TopicChange, existing: ReadonlyMap<string, DescribedTopic>): Promise<void> {
  switch (change.kind) {
    case 'create':
      // False when somebody else made it in the meantime: the next run sees what is left to correct.
      await unlessUnknownYet(
        admin.createTopics({
          topics: [
            {
              topic: change.topic.topic,
              numPartitions: change.topic.partitions,
              replicationFactor: change.topic.replicationFactor,
              configEntries: [...change.config].map(([name, value]) => ({ name, value })),
            },
          ],
        }),
      );
      return;
    case 'add-partitions':
      await admin.createPartitions({ topicPartitions: [{ topic: change.topic, count: change.to }] });
      return;
    case 'configure': {
      // This request replaces every setting of the topic: what is set already goes with it.
      const whole = new Map([...(existing.get(change.topic)?.ownConfig ?? []), ...change.config]);
      const configEntries = [...whole].map(([name, value]) => ({ name, value }));
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: TOPIC, name: change.topic, configEntries }],
      });
    }
  }
}

async function settle(admin: KafkaAdmin, topics: readonly TopicDeclaration[]): Promise<void> {
  const giveUpAtMs = performance.now() + SETTLE_TIMEOUT_MS;
  for (;;) {
    const existing = await unlessUnknownYet(describe(admin, topics));
    if (existing !== undefined && planTopics(topics, existing).length === 0) return;
    if (performance.now() > giveUpAtMs)
      throw new ClassifiedError('KAFKA_UNAVAILABLE', 'the topics did not become what they were told to be');
    await new Promise((resolve) => setTimeout(resolve, SETTLE_POLL_MS));
  }
}

/** The controller has made a topic before every broker knows it; on a busy machine that takes longer than kafkajs waits. */
async function unlessUnknownYet<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (thrown) {
    if (kafkaErrorName(thrown) === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined;
    throw thrown;
  }
}

async function offsetsOf(admin: KafkaAdmin, topic: string): Promise<PartitionOffsets[]> {
  try {
    const partitions = await admin.fetchTopicOffsets(topic);
    return partitions
      .map(({ partition, low, high }) => ({ topic, partition, earliest: offset(low), end: offset(high) }))
      .sort((a, b) => a.partition - b.partition);
  } catch (thrown) {
    // Deleted since it was listed.
    if (kafkaErrorName(thrown) === 'UNKNOWN_TOPIC_OR_PARTITION') return [];
    throw thrown;
  }
}

/** The broker tells it of a settled group only. */
function topicsOf(metadata: Buffer): readonly string[] | undefined {
  if (metadata.length === 0) return undefined;
  try {
    return AssignerProtocol.MemberMetadata.decode(metadata)?.topics;
  } catch {
    return undefined;
  }
}

async function deleteGroup(admin: KafkaAdmin, group: string): Promise<void> {
  try {
    await admin.deleteGroups([group]);
  } catch (thrown) {
    if (groupError(thrown) === 'GROUP_ID_NOT_FOUND') return;
    throw new ClassifiedError('KAFKA_UNAVAILABLE', `group ${group} could not be deleted: ${groupError(thrown) ?? 'no answer'}`, {
      cause: thrown,
    });
  }
}

function groupError(thrown: unknown): string | undefined {
  const groups: unknown = thrown instanceof Error && 'groups' in thrown ? thrown.groups : undefined;
  const first = Array.isArray(groups) ? (groups as { error?: unknown }[])[0] : undefined;
  return kafkaErrorName(first?.error) ?? kafkaErrorName(thrown);
}
