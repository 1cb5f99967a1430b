import { AssignerProtocol, type PartitionAssigner } from 'kafkajs';
import type { Logger } from '../../core/log.ts';
import { MEMBERSHIP, type MembershipHooks } from './kafkajs-patches.ts';

/**
 * Deals partitions out round-robin, as kafkajs's own assigner of the same name and version does, but only to members that
 * subscribe to the topic: while a new version with one more topic is rolled out, kafkajs's assigner hands partitions to old
 * members that ignore them, or leaves them to nobody. It also carries the session's hooks to the patched group.
 */
export function subscriptionAwareAssigner(hooks: MembershipHooks, logger: Logger): PartitionAssigner {
  return ({ cluster }) => ({
    name: 'RoundRobinAssigner',
    version: 0,
    [MEMBERSHIP]: hooks,
    async assign({ members, topics }) {
      const readers = members
        .map(({ memberId, memberMetadata }) => ({
          memberId,
          topics: AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics ?? topics,
        }))
        .sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
      const all = [...new Set(readers.flatMap((reader) => reader.topics))].sort();
      try {
        await cluster.addMultipleTargetTopics(all.filter((topic) => !topics.includes(topic)));
      } catch (thrown) {
        logger.warn({}, 'another member of the group reads a topic that does not exist', thrown);
      }
      const partitions = all.flatMap((topic) =>
        cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => ({ topic, partition: partitionId })),
      );
      return deal(readers, partitions).map(({ memberId, assignment }) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({ version: 0, assignment, userData: Buffer.alloc(0) }),
      }));
    },
    protocol({ topics }) {
      return {
        name: 'RoundRobinAssigner',
        metadata: AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) }),
      };
    },
  });
}

interface Reader {
  readonly memberId: string;
  readonly topics: readonly string[];
}

/** Pure. Each partition goes to the reader of its topic that holds the fewest so far, the first of them when several do. */
export function deal(
  readers: readonly Reader[],
  partitions: readonly { readonly topic: string; readonly partition: number }[],
): { memberId: string; assignment: Record<string, number[]> }[] {
  const hands = readers.map((reader) => ({ reader, count: 0, assignment: emptyHand() }));
  for (const { topic, partition } of partitions) {
    const candidates = hands.filter(({ reader }) => reader.topics.includes(topic));
    const first = candidates[0];
    if (first === undefined) continue;
    const hand = candidates.reduce((least, other) => (other.count < least.count ? other : least), first);
    hand.count += 1;
    (hand.assignment[topic] ??= []).push(partition);
  }
  return hands.map(({ reader, assignment }) => ({ memberId: reader.memberId, assignment }));
}

function emptyHand(): Record<string, number[]> {
  return {};
}
