import { describe, expect, it } from 'vitest';
import { headersOf, plainHeaders } from './kafkajs-headers.ts';
import { loadKafkaJsInternals, type KafkaJsConsumerGroup, type KafkaJsRequestQueue } from './kafkajs-internals.ts';
import { applyKafkaJsPatches, MEMBERSHIP } from './kafkajs-patches.ts';

describe('the repairs of kafkajs', () => {
  it('are applied to the installed version, once', () => {
    const report = applyKafkaJsPatches();
    expect(report).toEqual({ version: '2.2.4', applied: true });
    expect(applyKafkaJsPatches()).toBe(report);
  });

  it('arm no timer for a connection on which nothing waits', () => {
    const { requestQueue } = loadKafkaJsInternals();
    const queue: KafkaJsRequestQueue = {
      throttleCheckTimeoutId: null,
      throttledUntil: -1,
      pending: [],
      checkPendingRequests: () => undefined,
    };
    requestQueue.prototype.scheduleCheckPendingRequests.call(queue);
    expect(queue.throttleCheckTimeoutId).toBeNull();
  });

  it('check what waits when the throttling ends', async () => {
    const { requestQueue } = loadKafkaJsInternals();
    await new Promise<void>((resolve) => {
      const queue = { throttleCheckTimeoutId: null, throttledUntil: Date.now() + 5, pending: [], checkPendingRequests: resolve };
      requestQueue.prototype.scheduleCheckPendingRequests.call(queue);
    });
  });

  it('wait for the member before it joins again, and not before it joins first', async () => {
    const calls: string[] = [];
    const { consumerGroup } = loadKafkaJsInternals();
    const group = {
      generationId: null as number | null,
      assigners: [
        {
          [MEMBERSHIP]: {
            beforeRejoin: async () => calls.push('before'),
            afterJoin: async () => calls.push('after'),
          },
        },
      ],
      // What the original method uses: a retrier that runs what it is given.
      retrier: async () => calls.push('join'),
    };
    const join = () => consumerGroup.prototype.joinAndSync.call(group as unknown as KafkaJsConsumerGroup);
    await join();
    group.generationId = 7;
    await join();
    expect(calls).toEqual(['join', 'after', 'before', 'join', 'after']);
  });
});

describe('headers without the repairs', () => {
  it('keep everything but null values and the order of different names', () => {
    const plainly = plainHeaders([
      ['a', Buffer.from('1')],
      ['b', null],
      ['a', Buffer.from('2')],
    ]);
    expect(headersOf(plainly)).toEqual([
      ['a', Buffer.from('1')],
      ['a', Buffer.from('2')],
      ['b', Buffer.alloc(0)],
    ]);
  });

  it('are read although kafkajs mixes in what an object has by itself', () => {
    expect(headersOf({ constructor: [Object, Buffer.from('1')], a: null, b: undefined })).toEqual([
      ['constructor', Buffer.from('1')],
      ['a', null],
    ]);
    expect(headersOf(undefined)).toEqual([]);
  });
});
