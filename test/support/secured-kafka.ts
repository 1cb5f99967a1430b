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
import { TEST_CERTIFICATE, TEST_KEY } from './tls-for-tests.ts';

export interface SecuredKafka {
  /** Takes nothing but what the options say. */
  readonly address: string;
  stop(): Promise<void>;
}

export interface SecuredKafkaOptions {
  /** PLAIN. Left out: anybody may speak. */
  readonly sasl?: {
    readonly username: string;
    readonly password: string;
    /** The broker's `connections.max.reauth.ms`. */
    readonly reauthenticateMs: number;
  };
  /** With the certificate of `tls-for-tests.ts`. */
  readonly tls?: boolean;
}

/** A broker of the test's own with a listener that is secured. Made from the stack's: formatted there, and started again here. */
export async function startSecuredKafka({ sasl, tls = false }: SecuredKafkaOptions): Promise<SecuredKafka> {
  const dataFolder = await testDataFolder();
  try {
    await stackUp({ dataFolder, parts: ['kafka'], flavour: 'native', given: {} });
    await stackDown({ dataFolder, parts: ['kafka'] });
    const settings = join(dataFolder, 'kafka', 'server.properties');
    const [port] = await freePorts(1);
    const address = `127.0.0.1:${port}`;
    const protocol = `${sasl === undefined ? '' : 'SASL_'}${tls ? 'SSL' : 'PLAINTEXT'}`;
    const listener = `,SECURED://${address}`;
    const text = await readFile(settings, 'utf8');
    await writeFile(
      settings,
      text
        .replace(/^(listeners=PLAINTEXT:[^,]+)/m, `$1${listener}`)
        .replace(/^(advertised\.listeners=.+)$/m, `$1${listener}`)
        .replace(/^(listener\.security\.protocol\.map=.+)$/m, `$1,SECURED:${protocol}`),
    );
    if (sasl !== undefined) await appendFile(settings, properties(saslSettings(sasl)));
    if (tls) await appendFile(settings, properties(await tlsSettings(dataFolder)));
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

function saslSettings({ username, password, reauthenticateMs }: NonNullable<SecuredKafkaOptions['sasl']>) {
  const login = 'org.apache.kafka.common.security.plain.PlainLoginModule';
  return {
    'sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.secured.plain.sasl.jaas.config': `${login} required user_${username}="${password}";`,
    'connections.max.reauth.ms': reauthenticateMs,
  };
}

async function tlsSettings(dataFolder: string) {
  const store = join(dataFolder, 'kafka', 'listener.pem');
  await writeFile(store, `${TEST_KEY}${TEST_CERTIFICATE}`, { mode: 0o600 });
  return { 'listener.name.secured.ssl.keystore.type': 'PEM', 'listener.name.secured.ssl.keystore.location': store };
}
