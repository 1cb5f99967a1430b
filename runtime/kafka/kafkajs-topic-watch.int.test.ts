import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { offset } from '../../core/offset.ts';
import type { Reader } from '../../test/conformance/broker-under-test.ts';
import { BrokerUnderTest, RecordingLogger, record } from '../../test/conformance/broker-under-test.ts';
import { eventually } from '../../test/support/eventually.ts';
import { services, uniqueNamespace } from '../../test/support/services.ts';
import { createKafkaJsDriver } from './kafkajs-driver.ts';

describe('a topic that is deleted and made again', { timeout: 180_000 }, () => {
  let broker: BrokerUnderTest;

  beforeEach(() => {
    const driver = createKafkaJsDriver({
      brokers: services().kafkaBrokers.split(','),
      clientId: 'topic-watch',
      logger: new RecordingLogger(),
    });
    broker = new BrokerUnderTest(driver, uniqueNamespace('watch'));
  });

  afterEach(() => broker.close());

  it('is read from its beginning, also by a member that was paused meanwhile and commits what it had in hand', async () => {
    const declaration = broker.declaration();
    const { topic } = declaration;
    await broker.admin.ensureTopics([declaration]);
    await broker.send(topic, ['old 0', 'old 1', 'old 2', 'old 3']);
    const reader = await broker.reader({ group: broker.group(), topics: [topic] }).start();
    await reader.untilRead(4);
    reader.consumer.pause([{ topic, partition: 0 }]);

    await broker.admin.deleteTopics([topic]);
    await eventually(() => broker.admin.ensureTopics([declaration]), { timeoutMs: 20_000, everyMs: 250 });
    const news = Array.from({ length: 8 }, (_, index) => `new ${index}`);
    await eventually(() => broker.send(topic, news), { timeoutMs: 20_000, everyMs: 250 });
    await reader.consumer.commit([{ topic, partition: 0, offset: offset(4n) }]).catch(() => false);
    reader.consumer.resume([{ topic, partition: 0 }]);

    await eventually(() => expect(new Set(reader.values)).toEqual(new Set(['old 0', 'old 1', 'old 2', 'old 3', ...news])), {
      timeoutMs: 40_000,
      everyMs: 100,
    });
    const again = reader.values.slice(reader.values.indexOf('new 0'));
    expect(again.slice(0, news.length)).toEqual(news);
  });

  it('is read from its beginning in all its partitions, also in those that come later from a member that had read none of it', async () => {
    const declaration = broker.declaration(4);
    const { topic } = declaration;
    const group = broker.group();
    const partitions = [0, 1, 2, 3].map((partition) => ({ topic, partition }));
    const write = (what: string, count: number) =>
      broker.producer.send(
        partitions.flatMap(({ partition }) =>
          Array.from({ length: count }, (_, n) => ({ ...record(topic, null, `${what} ${partition}/${n}`), partition })),
        ),
      );
    await broker.admin.ensureTopics([declaration]);
    await write('old', 4);
    const reads = broker.reader({ group, topics: [topic] });
    const idles: Reader = broker.reader({ group, topics: [topic] }, { onAssigned: (assigned) => idles.consumer.pause(assigned) });
    await Promise.all([reads.start(), idles.start()]);
    const shared = { timeoutMs: 60_000, everyMs: 100 };
    await eventually(() => expect([reads.assigned.length, idles.assigned.length]).toEqual([2, 2]), shared);

    await broker.admin.deleteTopics([topic]);
    await eventually(() => broker.admin.ensureTopics([declaration]), { timeoutMs: 20_000, everyMs: 250 });
    await eventually(() => write('new', 8), { timeoutMs: 20_000, everyMs: 250 });
    for (const { consumer } of [reads, idles])
      await consumer.commit(partitions.map((partition) => ({ ...partition, offset: offset(4n) }))).catch(() => false);

    // Both have noticed, and share the new log.
    const newsOf = (some: readonly { readonly partition: number }[]) =>
      some.flatMap(({ partition }) => Array.from({ length: 8 }, (_, n) => `new ${partition}/${n}`));
    await eventually(() => {
      expect([reads.assigned.length, idles.assigned.length]).toEqual([2, 2]);
      expect(reads.values).toEqual(expect.arrayContaining(newsOf(reads.assigned)));
    }, shared);
    await idles.consumer.stop();
    await eventually(() => expect(reads.values).toEqual(expect.arrayContaining(newsOf(partitions))), shared);
  });
});
