import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BatchProducer, RecordBatch } from '../../core/record-batch.ts';
import { utf8 } from '../../core/record.ts';
import { BrokerUnderTest, RecordingLogger } from '../../test/conformance/broker-under-test.ts';
import { BreakableNetwork } from '../../test/support/breakable-network.ts';
import { eventually } from '../../test/support/eventually.ts';
import { recordBatchOf } from '../../test/support/record-batch-of.ts';
import { services, uniqueNamespace } from '../../test/support/services.ts';
import { createKafkaJsDriver } from './kafkajs-driver.ts';

describe('the batch producer on a network that breaks', () => {
  let network: BreakableNetwork;
  let steady: BrokerUnderTest;
  let opened: BatchProducer[];

  beforeEach(async () => {
    network = await new BreakableNetwork().open();
    steady = new BrokerUnderTest(createKafkaJsDriver({ ...brokers(), clientId: 'steady' }), uniqueNamespace('batchf'));
    opened = [];
  });

  afterEach(async () => {
    network.become('open');
    await Promise.all(opened.map((producer) => producer.stop()));
    await steady.close();
    await network.close();
  });

  function brokers(): { brokers: string[]; logger: RecordingLogger } {
    return { brokers: services().kafkaBrokers.split(','), logger: new RecordingLogger() };
  }

  /** Connected, with a producer id: what breaks is the append. */
  async function started(deliveryTimeoutMs: number): Promise<BatchProducer> {
    const { socketFactory } = network;
    const settings = {
      ...brokers(),
      clientId: 'shaky',
      socketFactory,
      requestTimeoutMs: 1_000,
      connectionTimeoutMs: 1_000,
      deliveryTimeoutMs,
    };
    const producer = createKafkaJsDriver(settings).batchProducer({ clientId: 'shaky' });
    opened.push(producer);
    await producer.start();
    return producer;
  }

  const patient = (): Promise<BatchProducer> => started(30_000);
  /** Gives up after its first attempt: the caller is asked to give the same batch again. */
  const hasty = (): Promise<BatchProducer> => started(500);

  async function end(topic: string, partition = 0): Promise<number> {
    const offsets = await steady.admin.offsets([topic]);
    return Number(offsets.find((one) => one.partition === partition)?.end);
  }

  async function untilEnd(topic: string, expected: number): Promise<void> {
    await eventually(async () => expect(await end(topic)).toBe(expected), { timeoutMs: 20_000 });
  }

  async function values(topic: string): Promise<(string | null)[]> {
    const reader = await steady.reader({ group: steady.group(), topics: [topic] }).start();
    await reader.untilRead(await end(topic));
    return reader.values;
  }

  it('has a batch in the log once, and in its order, when the answer to it is lost', async () => {
    const producer = await patient();
    const topic = await steady.topic();
    const sent: string[] = [];
    for (let round = 0; round < 6; round += 1) {
      // Batches of one size: a number that was used twice would have the next one taken for a repetition.
      const batch = Array.from({ length: 5 }, (_, index) => `${round}.${index}`);
      sent.push(...batch);
      if (round % 2 === 1) network.become('deaf');
      const appending = producer.append(topic, 0, batchOf(batch));
      if (round % 2 === 1) {
        await untilEnd(topic, sent.length);
        network.become('cut');
        network.become('open');
      }
      await appending;
      expect(await end(topic)).toBe(sent.length);
    }
    expect(await values(topic)).toEqual(sent);
  });

  it('replaces a connection on which a request stays without an answer', async () => {
    const producer = await patient();
    const topic = await steady.topic();
    await producer.append(topic, 0, batchOf(['0']));
    network.strandLinks();
    // The old connection stays silent for ever: only another one can bring this.
    await producer.append(topic, 0, batchOf(['1']));
    expect(await values(topic)).toEqual(['0', '1']);
  });

  it('appends a batch once that is given again after KAFKA_UNAVAILABLE, whether the first attempt had arrived or not', async () => {
    const producer = await hasty();
    const topic = await steady.topic(2);
    const [arrived, lost] = [batchOf(['a', 'b']), batchOf(['c', 'd'])];
    await Promise.all([producer.append(topic, 0, batchOf(['0'])), producer.append(topic, 1, batchOf(['0']))]);
    network.become('deaf');
    await expect(producer.append(topic, 0, arrived)).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    await eventually(async () => expect(await end(topic, 0)).toBe(3));
    network.become('cut');
    await expect(producer.append(topic, 1, lost)).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    network.become('open');
    await producer.append(topic, 0, arrived);
    await producer.append(topic, 1, lost);
    await Promise.all([producer.append(topic, 0, batchOf(['e'])), producer.append(topic, 1, batchOf(['e']))]);
    expect([await end(topic, 0), await end(topic, 1)]).toEqual([4, 4]);
  });

  it('does not lose another batch of the same size that is given after one of unknown fate', async () => {
    const producer = await hasty();
    const topic = await steady.topic();
    await producer.append(topic, 0, batchOf(['0']));
    network.become('deaf');
    await expect(producer.append(topic, 0, batchOf(['appended'])).catch(codeOf)).resolves.toBe('KAFKA_UNAVAILABLE');
    await untilEnd(topic, 2);
    network.become('cut');
    await expect(producer.append(topic, 0, batchOf(['lost'])).catch(codeOf)).resolves.toBe('KAFKA_UNAVAILABLE');
    network.become('open');
    await producer.append(topic, 0, batchOf(['other']));
    await producer.append(topic, 0, batchOf(['last']));
    expect(await values(topic)).toEqual(['0', 'appended', 'other', 'last']);
  });

  it.each([1, 7])('lets a request that arrives late, %i batches behind its repetition, change nothing', async (later) => {
    const producer = await patient();
    const topic = await steady.topic();
    await producer.append(topic, 0, batchOf(['first']));
    network.strandLinks();
    await producer.append(topic, 0, batchOf(['late']));
    const after = Array.from({ length: later }, (_, index) => `after ${index}`);
    for (const value of after) await producer.append(topic, 0, batchOf([value]));
    await network.releaseStranded();
    await producer.append(topic, 0, batchOf(['last']));
    expect(await values(topic)).toEqual(['first', 'late', ...after, 'last']);
  });

  it('lets a request of a batch that was given up not be appended behind the batch that was given instead', async () => {
    const producer = await hasty();
    const topic = await steady.topic();
    await producer.append(topic, 0, batchOf(['first']));
    network.strandLinks();
    await expect(producer.append(topic, 0, batchOf(['given up'])).catch(codeOf)).resolves.toBe('KAFKA_UNAVAILABLE');
    await producer.append(topic, 0, batchOf(['instead']));
    await network.releaseStranded();
    await producer.append(topic, 0, batchOf(['last']));
    expect(await values(topic)).toEqual(['first', 'instead', 'last']);
  });

  it('starts without brokers, says that it is down, and appends when they are there', async () => {
    const topic = await steady.topic();
    network.become('cut');
    const driver = createKafkaJsDriver({ ...brokers(), clientId: 'early', socketFactory: network.socketFactory });
    const early = driver.batchProducer({ clientId: 'early' });
    opened.push(early);
    await early.start();
    const status = (): string | undefined => driver.health().find(({ name }) => name === 'kafka.batch-producer.early')?.status;
    expect(status()).toBe('down');
    const appending = early.append(topic, 0, batchOf(['0']));
    network.become('open');
    await appending;
    expect(status()).toBe('ok');
    expect(await end(topic)).toBe(1);
  });

  it('stops in bounded time while nobody answers, and what was in hand is rejected', async () => {
    const producer = await patient();
    const topic = await steady.topic();
    await producer.append(topic, 0, batchOf(['0']));
    network.become('stalled');
    const inHand = producer.append(topic, 0, batchOf(['1'])).catch(codeOf);
    const begun = performance.now();
    await Promise.all([producer.stop(), producer.stop()]);
    expect(await inHand).toBe('KAFKA_UNAVAILABLE');
    // A request timeout of 1 s and the rest of a busy machine.
    expect(performance.now() - begun).toBeLessThan(10_000);
  });
});

function batchOf(of: readonly string[]): RecordBatch {
  return recordBatchOf(of.map((value) => ({ key: utf8('k'), value: utf8(value) })));
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}
