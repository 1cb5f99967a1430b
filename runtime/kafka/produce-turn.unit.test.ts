import { setImmediate as turnOfTheEventLoop } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { KafkaJsConnection } from './kafkajs-internals.ts';
import type { KafkaJsNode } from './kafkajs-node.ts';
import { ProduceTurn } from './produce-turn.ts';

type Written = Parameters<KafkaJsConnection['requestQueue']['push']>[0] & { readonly bytes: Buffer };

/** A broker that answers when it is told to. */
class BrokerInHand {
  readonly requests: Written[] = [];
  readonly node = {
    connection: () => this.connection,
    authenticated: () => undefined,
    drop: () => undefined,
  } as unknown as KafkaJsNode;

  private readonly connection = {
    clientId: 'test',
    nextCorrelationId: () => this.requests.length,
    isConnected: () => true,
    socket: { cork: () => undefined, uncork: () => undefined, write: (piece: Uint8Array) => this.pieces.push(piece) },
    requestQueue: {
      push: (request: Written) => {
        this.pieces = [];
        request.sendRequest();
        this.requests.push({ ...request, bytes: Buffer.concat(this.pieces) });
      },
    },
  } as unknown as KafkaJsConnection;
  private pieces: Uint8Array[] = [];

  answer(request: number, partitions: readonly number[]): void {
    this.requests[request]?.entry.resolve({ payload: response(partitions) });
  }
}

/** Every partition of topic `t` without an error. */
function response(partitions: readonly number[]): Buffer {
  const head = Buffer.from([0, 0, 0, 1, 0, 1, 0x74, 0, 0, 0, partitions.length]);
  const each = partitions.map((partition) => {
    const bytes = Buffer.alloc(30);
    bytes.writeInt32BE(partition);
    return bytes;
  });
  return Buffer.concat([head, ...each, Buffer.alloc(4)]);
}

/** One, and the one in which is written what the first gave rise to. */
async function nextTurn(): Promise<void> {
  await turnOfTheEventLoop();
  await turnOfTheEventLoop();
}

function item(partition: number, bytes = 100) {
  return { topic: 't', partition, batch: { bytes: Buffer.alloc(bytes), recordCount: 1, baseTimestampMs: 0, maxTimestampMs: 0 } };
}

describe('the produce requests to one broker', () => {
  it('puts what is asked for in one turn of the event loop into one request', async () => {
    const broker = new BrokerInHand();
    const turn = new ProduceTurn(broker.node, 10_000);
    const sent = Promise.all([turn.send(item(0)), turn.send(item(1))]);
    await nextTurn();
    expect(broker.requests).toHaveLength(1);
    broker.answer(0, [0, 1]);
    expect(await sent).toEqual([0, 0]);
  });

  it('gathers what comes while a request is under way, and sends it with what the answer calls forth', async () => {
    const broker = new BrokerInHand();
    const turn = new ProduceTurn(broker.node, 10_000);
    const first = turn.send(item(0));
    await nextTurn();
    const others = [turn.send(item(1))];
    await nextTurn();
    others.push(turn.send(item(2)));
    await nextTurn();
    expect(broker.requests).toHaveLength(1);
    const next = first.then(() => turn.send(item(0)));
    broker.answer(0, [0]);
    await first;
    await nextTurn();
    expect(broker.requests).toHaveLength(2);
    broker.answer(1, [0, 1, 2]);
    expect(await Promise.all([...others, next])).toEqual([0, 0, 0]);
  });

  it('sends a large request beside the one that is under way, but no third one', async () => {
    const broker = new BrokerInHand();
    const turn = new ProduceTurn(broker.node, 10_000);
    const sent = [turn.send(item(0))];
    await nextTurn();
    sent.push(turn.send(item(1, 300_000)));
    await nextTurn();
    expect(broker.requests).toHaveLength(2);
    sent.push(turn.send(item(2, 300_000)));
    await nextTurn();
    expect(broker.requests).toHaveLength(2);
    broker.answer(0, [0]);
    await sent[0];
    await nextTurn();
    expect(broker.requests).toHaveLength(3);
    broker.answer(1, [1]);
    broker.answer(2, [2]);
    expect(await Promise.all(sent)).toEqual([0, 0, 0]);
  });

  it('sends what waited when the request under way fails', async () => {
    const broker = new BrokerInHand();
    const turn = new ProduceTurn(broker.node, 10_000);
    const first = turn.send(item(0));
    await nextTurn();
    const second = turn.send(item(1));
    broker.requests[0]?.entry.reject(new Error('the connection was lost'));
    await expect(first).rejects.toThrow('the connection was lost');
    await nextTurn();
    broker.answer(1, [1]);
    expect(await second).toBe(0);
  });
});
