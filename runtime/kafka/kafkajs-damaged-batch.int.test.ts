import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LogFields, Logger } from '../../core/log.ts';
import { utf8Text } from '../../core/record.ts';
import { BrokerUnderTest, record } from '../../test/conformance/broker-under-test.ts';
import { eventually } from '../../test/support/eventually.ts';
import { services, uniqueNamespace } from '../../test/support/services.ts';
import { createKafkaJsDriver } from './kafkajs-driver.ts';

const MARK = 'turn a bit of me';

/** A network that changes one bit of each answer in which the mark comes, for so many times. */
class FaultyNetwork {
  damaged = 0;
  times = 1;

  connect(host: string, port: number, onConnect: () => void): Socket {
    const socket = connect({ host, port }, onConnect);
    const emit = socket.emit.bind(socket);
    socket.emit = (event: string | symbol, ...values: unknown[]): boolean => {
      const [chunk] = values;
      if (event === 'data' && Buffer.isBuffer(chunk)) this.pass(chunk);
      return emit(event, ...values);
    };
    return socket;
  }

  private pass(chunk: Buffer): void {
    const at = chunk.indexOf(MARK);
    if (at < 0 || this.damaged >= this.times) return;
    this.damaged += 1;
    chunk.writeUInt8(chunk.readUInt8(at) ^ 1, at);
  }
}

class Errors implements Logger {
  readonly said: string[] = [];

  debug(): void {
    return undefined;
  }
  info(): void {
    return undefined;
  }
  warn(): void {
    return undefined;
  }
  error(_fields: LogFields, _message: string, thrown?: unknown): void {
    if (thrown instanceof Error) this.said.push(thrown.message);
  }
  child(): Logger {
    return this;
  }
}

describe('a record batch that was damaged on its way', () => {
  const logger = new Errors();
  const network = new FaultyNetwork();
  let broker: BrokerUnderTest;

  beforeAll(async () => {
    const brokers = services().kafkaBrokers.split(',');
    const socketFactory = ({ host, port, onConnect }: { host: string; port: number; onConnect: () => void }) =>
      network.connect(host, port, onConnect);
    broker = new BrokerUnderTest(createKafkaJsDriver({ brokers, clientId: 'damaged', logger, socketFactory }), uniqueNamespace('damaged'));
    await broker.producer.start();
  });
  afterAll(async () => {
    await broker.stopReaders();
    await broker.close();
  });

  it('is not handed over, is said with its place, and is read again until it comes whole', async () => {
    const topic = await broker.topic(1);
    await broker.producer.send([record(topic, 'a', 'first'), record(topic, 'a', MARK), record(topic, 'a', 'last')]);
    const reader = await broker.reader({ group: broker.group(), topics: [topic] }).start();
    await reader.untilRead(3);
    expect(reader.records.map(({ value }) => value && utf8Text(value))).toEqual(['first', MARK, 'last']);
    expect(network.damaged).toBe(1);
    await eventually(() => {
      expect(logger.said.join()).toContain(`of ${topic}, partition 0, from offset 0 is damaged: its checksum is another one`);
    });
  });

  it('holds up its partition alone, without another generation of its group', async () => {
    const topic = await broker.topic(2);
    network.damaged = 0;
    network.times = Number.POSITIVE_INFINITY;
    const of = (partition: number, value: string) => ({ ...record(topic, 'a', value), partition });
    await broker.producer.send([of(0, MARK)]);
    await broker.producer.send([of(1, 'first')]);
    const reader = await broker.reader({ group: broker.group(), topics: [topic] }).start();
    await reader.untilRead(1);
    await eventually(() => expect(network.damaged).toBeGreaterThan(1));
    await broker.producer.send([of(1, 'second')]);
    await reader.untilRead(2);
    expect(reader.records.map(({ partition, value }) => `${partition} ${value && utf8Text(value)}`)).toEqual(['1 first', '1 second']);
    network.times = 0;
    await reader.untilRead(3);
    expect([reader.revocations, reader.lost]).toEqual([0, []]);
    expect(reader.records.at(-1)?.value && utf8Text(reader.records.at(-1)!.value!)).toBe(MARK);
  });
});
