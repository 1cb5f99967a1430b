import type { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../core/log.ts';
import { offset } from '../../core/offset.ts';
import { BrokerUnderTest } from '../../test/conformance/broker-under-test.ts';
import { eventually } from '../../test/support/eventually.ts';
import { services, uniqueNamespace } from '../../test/support/services.ts';
import { createKafkaJsDriver } from './kafkajs-driver.ts';
import { kafkaJsSocketFactory } from './kafkajs-internals.ts';
import { KafkaJsLogReader } from './kafkajs-log-reader.ts';

it('the log reader leaves no connection behind that several reads at once have opened', async () => {
  const brokers = services().kafkaBrokers.split(',');
  const steady = new BrokerUnderTest(
    createKafkaJsDriver({ brokers, clientId: 'steady', logger: SILENT_LOGGER }),
    uniqueNamespace('logread'),
  );
  const sockets: Socket[] = [];
  const open = kafkaJsSocketFactory();
  const reader = new KafkaJsLogReader({
    brokers,
    clientId: 'several-at-once',
    logger: SILENT_LOGGER,
    socketFactory: (options) => {
      const socket = open(options);
      sockets.push(socket);
      return socket;
    },
  });
  try {
    const topic = await steady.topic();
    await steady.send(topic, ['a', 'b']);
    const slices = await Promise.all(Array.from({ length: 6 }, () => reader.read({ topic, partition: 0 }, offset(0n))));
    expect(slices.map(({ records }) => records.length)).toEqual([2, 2, 2, 2, 2, 2]);
    await reader.stop();
    await eventually(() => sockets.every(({ destroyed }) => destroyed));
    expect(sockets.length).toBeLessThanOrEqual(3);
  } finally {
    await reader.stop();
    await steady.close();
  }
});
