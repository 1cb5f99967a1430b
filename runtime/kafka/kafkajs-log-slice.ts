import { ClassifiedError } from '../../core/errors.ts';
import type { LogSlice } from '../../core/log-reader.ts';
import { offset, type Offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';
import { kafkaErrorName } from './kafkajs-errors.ts';
import type { KafkaJsClusterAccess } from './kafkajs-internals.ts';
import { consumedRecord } from './kafkajs-records.ts';

const FETCH_BYTES = 4 * 1_048_576;
/** Before an empty answer below the end is believed. */
const EMPTY_ANSWERS = 5;
const EMPTY_PAUSE_MS = 100;

/**
 * One answer of the partition's leader. An empty one below the end is asked for again: a broker also answers so under a quota,
 * and right after it became the leader. Undefined: the offset is out of range.
 * @throws ClassifiedError KAFKA_UNAVAILABLE when the answer stays empty for such a reason; kafkajs's errors.
 */
export async function fetchSlice(
  cluster: KafkaJsClusterAccess,
  where: TopicPartition,
  from: Offset,
  pauseMs = EMPTY_PAUSE_MS,
): Promise<LogSlice | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await fetchOnce(cluster, where, from);
    if (answer === undefined) return undefined;
    const found = answer.responses[0]?.partitions[0];
    const end = offset(found?.highWatermark ?? from.toString());
    const messages = (found?.messages ?? []).filter((message) => BigInt(message.offset) >= from);
    const last = messages.at(-1);
    if (last !== undefined) {
      const records = messages.filter(({ isControlRecord }) => isControlRecord !== true).map((message) => consumedRecord(where, message));
      return { records, next: offset(BigInt(last.offset) + 1n), end };
    }
    const readable = found?.lastStableOffset === undefined ? end : offset(found.lastStableOffset);
    if (found !== undefined && from >= readable) return { records: [], next: from, end };
    if (attempt >= EMPTY_ANSWERS) {
      if (found === undefined || (answer.clientSideThrottleTime ?? 0) > 0) {
        throw new ClassifiedError(
          'KAFKA_UNAVAILABLE',
          `the broker does not give the records of ${where.topic}, partition ${where.partition}`,
        );
      }
      // A batch of which compaction left nothing brings no message; the next offset is tried.
      return { records: [], next: offset(from + 1n), end };
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** The last fetch that was begun at each broker. */
const lastFetches = new WeakMap<object, Promise<unknown>>();

/**
 * kafkajs keeps a connection for fetches beside the other one, and opens it with the first of them: several at once would open one
 * each, and only the last is ever closed. A broker answers the fetches of one connection one after the other anyway.
 */
function inTurn<T>(broker: object, fetch: () => Promise<T>): Promise<T> {
  const turn = (lastFetches.get(broker) ?? Promise.resolve()).then(fetch);
  lastFetches.set(
    broker,
    turn.catch(() => undefined),
  );
  return turn;
}

async function fetchOnce(cluster: KafkaJsClusterAccess, { topic, partition }: TopicPartition, from: Offset) {
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
  const broker = await cluster.findBroker({ nodeId: nodeId ?? '' });
  const request = { maxWaitTime: 10, minBytes: 1, maxBytes: FETCH_BYTES, isolationLevel: 1 };
  const partitions = [{ partition, fetchOffset: from.toString(), maxBytes: FETCH_BYTES }];
  return inTurn(broker, () => broker.fetch({ ...request, topics: [{ topic, partitions }] })).catch((thrown: unknown) => {
    if (kafkaErrorName(thrown) === 'OFFSET_OUT_OF_RANGE') return undefined;
    throw thrown;
  });
}
