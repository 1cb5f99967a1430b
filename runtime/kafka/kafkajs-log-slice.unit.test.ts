import { describe, expect, it } from 'vitest';
import { offset } from '../../core/offset.ts';
import type { KafkaJsClusterAccess } from './kafkajs-internals.ts';
import { fetchSlice } from './kafkajs-log-slice.ts';

const WHERE = { topic: 't', partition: 0 };
const message = { offset: '5', key: null, value: Buffer.from('v'), timestamp: '0', headers: {}, attributes: 0 };
const full = {
  clientSideThrottleTime: 0,
  responses: [{ partitions: [{ highWatermark: '9', lastStableOffset: '9', messages: [message] }] }],
};
const answer = (change: { throttle?: number; stable?: string } = {}) => ({
  clientSideThrottleTime: change.throttle ?? 0,
  responses: [{ partitions: [{ highWatermark: '9', lastStableOffset: change.stable ?? '9', messages: [] }] }],
});
const none = { clientSideThrottleTime: 0, responses: [] };

/** A leader that gives these answers, the last one again and again. */
function clusterOf(...answers: object[]): KafkaJsClusterAccess {
  const fetch = async (): Promise<object | undefined> => (answers.length > 1 ? answers.shift() : answers[0]);
  return { findLeaderForPartitions: () => ({ 1: [0] }), findBroker: async () => ({ fetch }) } as unknown as KafkaJsClusterAccess;
}

const slice = (...answers: object[]) => fetchSlice(clusterOf(...answers), WHERE, offset(5n), 1);

describe('a slice of a partition', () => {
  it('is asked for again when it is empty below the end', async () => {
    expect(await slice(answer({ throttle: 10 }), none, answer(), full)).toMatchObject({ next: 6n, end: 9n, records: [{ offset: 5n }] });
  });

  it('is empty at the end, and before a transaction that is open', async () => {
    const end = { responses: [{ partitions: [{ highWatermark: '5', lastStableOffset: '5', messages: [] }] }] };
    expect(await slice(end)).toEqual({ records: [], next: 5n, end: 5n });
    expect(await slice(answer({ stable: '5' }))).toEqual({ records: [], next: 5n, end: 9n });
  });

  it('steps over what compaction left empty, and never over what a broker holds back', async () => {
    expect(await slice(answer())).toEqual({ records: [], next: 6n, end: 9n });
    await expect(slice(answer({ throttle: 10 }))).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    await expect(slice(none)).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
  });
});
