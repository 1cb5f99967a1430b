import type { KafkaJsClusterBroker } from './kafkajs-internals.ts';
import { fetchTopicIds } from './kafkajs-topic-ids.ts';

/**
 * Notices that a topic was deleted and made again under its name. Fetches and commits of the protocol versions that kafkajs
 * speaks know topics by name alone: a member that does not fetch meanwhile (its partitions are paused) goes on at an offset
 * of the old log, and never reads what the new one holds below it.
 */
export class TopicWatch {
  private readonly topics: readonly string[];
  private readonly ids = new Map<string, string>();

  constructor(topics: readonly string[]) {
    this.topics = topics;
  }

  /** The topics that are others than at an earlier look. One that is not there at the moment is no other. */
  async look(broker: KafkaJsClusterBroker): Promise<readonly string[]> {
    const { ids } = await fetchTopicIds(broker, this.topics);
    const remade: string[] = [];
    for (const [topic, id] of ids) {
      const known = this.ids.get(topic);
      if (known !== undefined && known !== id) remade.push(topic);
      this.ids.set(topic, id);
    }
    return remade;
  }
}
