import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RecordBatch } from '../../core/record-batch.ts';
import { utf8 } from '../../core/record.ts';
import { RecordingLogger } from '../../test/conformance/broker-under-test.ts';
import { eventually } from '../../test/support/eventually.ts';
import { recordBatchOf } from '../../test/support/record-batch-of.ts';
import type { SecuredKafka } from '../../test/support/secured-kafka.ts';
import { startSecuredKafka } from '../../test/support/secured-kafka.ts';
import type { KafkaJsSettings } from './kafkajs-client.ts';
import { createKafkaJsDriver } from './kafkajs-driver.ts';

const USERNAME = 'relay';
const PASSWORD = 'secret-of-the-relay';
const batchOf = (value: string): RecordBatch => recordBatchOf([{ key: null, value: utf8(value) }]);
/** kafkajs authenticates anew 10 s before the broker's limit: half a second after a connection was made. */
const REAUTHENTICATE_MS = 10_500;

describe('the batch producer on a listener with SASL', () => {
  let kafka: SecuredKafka;
  let sockets = 0;
  let authentications = 0;

  beforeAll(async () => {
    kafka = await startSecuredKafka({ sasl: { username: USERNAME, password: PASSWORD, reauthenticateMs: REAUTHENTICATE_MS } });
  }, 120_000);
  afterAll(async () => kafka.stop());

  /** PLAIN sends the password as it is, so that authentications can be counted on the way. */
  const countingSocket: KafkaJsSettings['socketFactory'] = ({ host, port, onConnect }) => {
    const socket = connect({ host, port }, onConnect);
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
    socket.write = (chunk: unknown, ...rest: unknown[]): boolean => {
      if (Buffer.isBuffer(chunk) && chunk.includes(PASSWORD)) authentications += 1;
      return write(chunk, ...rest);
    };
    sockets += 1;
    return socket;
  };
  const settings = (password = PASSWORD): KafkaJsSettings => ({
    brokers: [kafka.address],
    clientId: 'sasl-int',
    logger: new RecordingLogger(),
    sasl: { mechanism: 'plain', username: USERNAME, password },
  });

  it('appends, and authenticates anew on the same connection before the broker closes it', async () => {
    const admin = createKafkaJsDriver(settings()).admin();
    const driver = createKafkaJsDriver({ ...settings(), socketFactory: countingSocket });
    const producer = driver.batchProducer({ clientId: 'sasl-int' });
    try {
      // Started a moment ago; nothing else waits for it.
      await eventually(
        async () => {
          await admin.ensureTopics([{ topic: 'secured', partitions: 2, retentionMs: 86_400_000, replicationFactor: 1 }]);
          return true;
        },
        { timeoutMs: 60_000 },
      );
      await producer.start();
      await producer.append('secured', 0, batchOf('0'));
      const repeated = () => driver.health().find(({ name }) => name === 'kafka.batch-producer.sasl-int')?.facts?.['repeated'];
      const [socketsBefore, authenticatedBefore, repeatedBefore] = [sockets, authentications, repeated()];
      let appended = 1;
      await eventually(async () => {
        await Promise.all([0, 1].map((partition) => producer.append('secured', partition, batchOf(String(appended)))));
        appended += 2;
        return authentications >= authenticatedBefore + 2;
      });
      expect(sockets).toBe(socketsBefore);
      const offsets = await admin.offsets(['secured']);
      expect(offsets.reduce((sum, { end }) => sum + Number(end), 0)).toBe(appended);
      expect(repeated()).toBe(repeatedBefore);
    } finally {
      await producer.stop();
      await admin.stop();
    }
  }, 90_000);

  it('names a password that is wrong, and tries no batch for long with it', async () => {
    const producer = createKafkaJsDriver(settings('wrong')).batchProducer({ clientId: 'sasl-int' });
    try {
      await expect(producer.append('secured', 0, batchOf('x'))).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
    } finally {
      await producer.stop();
    }
  });
});
