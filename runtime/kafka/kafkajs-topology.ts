import { createKafkaJsClient, DEFAULT_METADATA_MAX_AGE_MS, DEFAULT_REQUEST_TIMEOUT_MS, type KafkaJsSettings } from './kafkajs-client.ts';
import {
  fetchTopicMetadata,
  kafkaJsBrokerFactory,
  type KafkaJsBroker,
  type KafkaJsBrokerFactory,
  type KafkaJsMetadata,
} from './kafkajs-internals.ts';
import { KafkaJsNode } from './kafkajs-node.ts';
import { within } from './within.ts';

const UNKNOWN_TOPIC_OR_PARTITION = 3;
const LEADER_NOT_AVAILABLE = 5;

/** A broker answered with an error code of the protocol. */
export class AnsweredError extends Error {
  readonly errorCode: number;

  constructor(errorCode: number) {
    super(`the brokers answered with error ${errorCode}`);
    this.name = 'AnsweredError';
    this.errorCode = errorCode;
  }
}

interface KnownTopic {
  /** Node ids by partition; undefined while a partition has no leader. */
  readonly leaders: readonly (number | undefined)[];
  readonly askedAtMs: number;
  /** Somebody met a partition that is led by another node than this says. */
  readonly outdated: boolean;
}

interface Member {
  readonly host: string;
  readonly port: number;
  readonly node: KafkaJsNode;
}

/** The brokers of a cluster and who leads which partition, each topic asked for by itself: a deleted one is in nobody's way. */
export class KafkaJsTopology {
  private readonly factory: KafkaJsBrokerFactory;
  private readonly requestTimeoutMs: number;
  private readonly connectTimeoutMs: number;
  private readonly maxAgeMs: number;
  private readonly members = new Map<number, Member>();
  private readonly topics = new Map<string, KnownTopic>();
  private readonly asking = new Map<string, Promise<KnownTopic>>();
  private seed: KafkaJsNode;
  private tried = 0;
  private closed: Error | undefined;

  constructor(settings: KafkaJsSettings, clientId: string) {
    this.factory = kafkaJsBrokerFactory(createKafkaJsClient(settings, clientId));
    this.requestTimeoutMs = settings.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS;
    // The connection, the versions, the authentication.
    this.connectTimeoutMs = (settings.connectionTimeoutMs ?? 3_000) * 3;
    this.maxAgeMs = settings.metadataMaxAgeMs ?? DEFAULT_METADATA_MAX_AGE_MS;
    this.seed = this.newSeed();
  }

  /** Undefined when it is not known or older than the metadata may be. */
  knownPartitionCount(topic: string): number | undefined {
    const known = this.topics.get(topic);
    return known === undefined || this.isTooOld(known) ? undefined : known.leaders.length;
  }

  /** @throws AnsweredError, and what kafkajs throws. */
  async partitionCount(topic: string): Promise<number> {
    return this.knownPartitionCount(topic) ?? (await this.ask(topic)).leaders.length;
  }

  /** The partition's leader, connected. @throws AnsweredError, and what kafkajs throws. */
  async leader(topic: string, partition: number): Promise<KafkaJsNode> {
    let known = this.topics.get(topic);
    if (known === undefined || known.outdated || partition >= known.leaders.length) known = await this.ask(topic);
    // Old but not known to be wrong: no batch waits for it. If it is wrong, the broker says so.
    else if (this.isTooOld(known)) this.ask(topic).catch(() => undefined);
    if (partition >= known.leaders.length) throw new AnsweredError(UNKNOWN_TOPIC_OR_PARTITION);
    const nodeId = known.leaders[partition];
    const node = nodeId === undefined ? undefined : this.members.get(nodeId)?.node;
    if (node === undefined) {
      this.leaderMoved(topic);
      throw new AnsweredError(LEADER_NOT_AVAILABLE);
    }
    if (!node.isConnected()) await node.connected();
    return node;
  }

  /** Before the next batch for this topic it is asked again who leads. */
  leaderMoved(topic: string): void {
    const known = this.topics.get(topic);
    if (known !== undefined) this.topics.set(topic, { ...known, outdated: true });
  }

  /** Runs it with any broker, within the request timeout. A broker that does not answer loses its connection. */
  async withAnyBroker<T>(action: (broker: KafkaJsBroker) => Promise<T>): Promise<T> {
    const node = this.anyNode();
    const broker = await node.connected();
    try {
      return await within(this.requestTimeoutMs, action(broker), 'a broker did not answer in time');
    } catch (thrown) {
      if (!isAnswer(thrown)) node.drop(new Error('the connection was given up: a request was not answered'), broker.connectionPool.pool[0]);
      throw thrown;
    }
  }

  isConnected(): boolean {
    return this.seed.isConnected() || [...this.members.values()].some(({ node }) => node.isConnected());
  }

  close(): void {
    this.closed = new Error('the client is closed');
    for (const node of this.nodes()) node.close(this.closed);
  }

  private ask(topic: string): Promise<KnownTopic> {
    const asking = this.asking.get(topic) ?? this.askNow(topic).finally(() => this.asking.delete(topic));
    this.asking.set(topic, asking);
    return asking;
  }

  private async askNow(topic: string): Promise<KnownTopic> {
    const metadata = await this.withAnyBroker((broker) => fetchTopicMetadata(broker, topic));
    this.adoptNodes(metadata);
    const described = metadata.topicMetadata.find((one) => one.topic === topic);
    const errorCode = described?.topicErrorCode ?? UNKNOWN_TOPIC_OR_PARTITION;
    if (described === undefined || errorCode !== 0) {
      this.topics.delete(topic);
      throw new AnsweredError(errorCode);
    }
    const leaders: (number | undefined)[] = [];
    for (const { partitionId, leader } of described.partitionMetadata) leaders[partitionId] = leader < 0 ? undefined : leader;
    const known = { leaders, askedAtMs: performance.now(), outdated: false };
    this.topics.set(topic, known);
    return known;
  }

  private adoptNodes({ brokers }: KafkaJsMetadata): void {
    for (const [nodeId, member] of this.members) {
      const still = brokers.some((broker) => broker.nodeId === nodeId && broker.host === member.host && broker.port === member.port);
      if (still) continue;
      this.members.delete(nodeId);
      member.node.close(new Error('the broker is not part of the cluster any more'));
    }
    for (const { nodeId, host, port, rack } of brokers) {
      if (this.members.has(nodeId) || this.closed !== undefined) continue;
      const node = this.takeSeed(host, port) ?? this.newNode(() => this.factory.create({ host, port, rack: rack ?? null }));
      this.members.set(nodeId, { host, port, node });
    }
  }

  /** The connection over which the cluster was found is used on when it leads to a node of the cluster. */
  private takeSeed(host: string, port: number): KafkaJsNode | undefined {
    const { seed } = this;
    if (seed.address?.host !== host || seed.address.port !== port) return undefined;
    this.seed = this.newSeed();
    return seed;
  }

  /** A connected one, else each in turn: the next attempt tries the next. */
  private anyNode(): KafkaJsNode {
    const candidates = this.nodes();
    this.tried += 1;
    return candidates.find((node) => node.isConnected()) ?? candidates[this.tried % candidates.length] ?? this.seed;
  }

  private nodes(): KafkaJsNode[] {
    return [...[...this.members.values()].map(({ node }) => node), this.seed];
  }

  private newSeed(): KafkaJsNode {
    return this.newNode(() => this.factory.create());
  }

  private newNode(open: () => Promise<KafkaJsBroker>): KafkaJsNode {
    return new KafkaJsNode(open, this.connectTimeoutMs);
  }

  private isTooOld({ askedAtMs, outdated }: KnownTopic): boolean {
    return outdated || performance.now() - askedAtMs > this.maxAgeMs;
  }
}

/** kafkajs throws an error with the protocol's name for an answer that says no: the connection is in order then. */
function isAnswer(thrown: unknown): boolean {
  return thrown instanceof Error && 'type' in thrown && typeof thrown.type === 'string';
}
