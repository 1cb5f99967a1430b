import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../../stack/native/cache.ts';
import { kafkaJars, properties } from '../../stack/native/kafka.ts';
import { commandOf } from '../../stack/native/toolchain.ts';
import { freePorts } from '../../stack/ports.ts';
import { stackDown, stackUp } from '../../stack/stack.ts';
import { removeTestStack, testDataFolder } from '../../stack/test-stack.ts';

export interface SaslKafka {
  /** Takes PLAIN only. */
  readonly address: string;
  stop(): Promise<void>;
}

export interface SaslKafkaOptions {
  readonly username: string;
  readonly password: string;
  /** The broker's `connections.max.reauth.ms`. */
  readonly reauthenticateMs: number;
}

/** A broker of the test's own with a listener that wants to know who speaks. Made from the stack's: formatted there, and started again here. */
export async function startSaslKafka({ username, password, reauthenticateMs }: SaslKafkaOptions): Promise<SaslKafka> {
  const dataFolder = await testDataFolder();
  try {
    await stackUp({ dataFolder, parts: ['kafka'], flavour: 'native', given: {} });
    await stackDown({ dataFolder, parts: ['kafka'] });
    const settings = join(dataFolder, 'kafka', 'server.properties');
    const [port] = await freePorts(1);
    const address = `127.0.0.1:${port}`;
    const listener = `,SASL_PLAINTEXT://${address}`;
    const text = await readFile(settings, 'utf8');
    await writeFile(
      settings,
      text
        .replace(/^(listeners=PLAINTEXT:[^,]+)/m, `$1${listener}`)
        .replace(/^(advertised\.listeners=.+)$/m, `$1${listener}`)
        .replace(/^(listener\.security\.protocol\.map=.+)$/m, '$1,SASL_PLAINTEXT:SASL_PLAINTEXT'),
    );
    const login = 'org.apache.kafka.common.security.plain.PlainLoginModule';
    await appendFile(
      settings,
      properties({
        'sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.sasl_plaintext.plain.sasl.jaas.config': `${login} required user_${username}="${password}";`,
        'connections.max.reauth.ms': reauthenticateMs,
      }),
    );
    const child = spawn(
      commandOf('java'),
      ['-Xms256m', '-Xmx512m', '-XX:+UseSerialGC', '-cp', join(cacheFolder(), kafkaJars.name, '*'), 'kafka.Kafka', settings],
      { stdio: 'ignore' },
    );
    const ended = once(child, 'exit');
    return {
      address,
      stop: async () => {
        child.kill('SIGKILL');
        await ended;
        await removeTestStack(dataFolder);
      },
    };
  } catch (thrown) {
    await removeTestStack(dataFolder);
    throw thrown;
  }
}
