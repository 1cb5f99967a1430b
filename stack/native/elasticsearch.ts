import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { homeOf, STOP_JVM, type NativePart, type PartContext, type Recipe } from './native-part.ts';
import { runTool } from '../run-tool.ts';
import { commandOf } from './toolchain.ts';

const VERSION = '8.19.21';
const SOURCES = fileURLToPath(new URL('./java', import.meta.url));
const REMEDY = 'This is a fault of the stack; give a running server by ELASTICSEARCH_URL, or use --flavour docker.';

/** A node put together from the published jars: the server, its HTTP module, a launcher and a small plugin of our own. */
const recipe: Recipe = {
  get name() {
    return `elasticsearch-${VERSION}-${fingerprint()}`;
  },
  tools: ['mvn', 'javac', 'jar'],
  async fill(folder, { maven, signal }) {
    const lib = join(folder, 'lib');
    const netty = join(folder, 'modules', 'transport-netty4');
    await maven.copyWithDependencies(
      [`org.elasticsearch:elasticsearch:${VERSION}`, `org.elasticsearch.plugin:transport-netty4:${VERSION}`],
      lib,
    );
    await moveModule(lib, netty);
    await writeFile(
      join(netty, 'plugin-descriptor.properties'),
      descriptor('transport-netty4', 'org.elasticsearch.transport.netty4.Netty4Plugin'),
    );
    await compile(folder, 'SearchNode.java', join(folder, 'launcher'), signal);
    await addPlugin(folder, signal);
  },
};

export const elasticsearch: NativePart = {
  part: 'elasticsearch',
  needs: [],
  tools: ['java'],
  recipes: [recipe],
  stopSteps: STOP_JVM,

  address: (ports) => `http://127.0.0.1:${ports.elasticsearch}`,

  async prepare(context) {
    for (const folder of ['config', 'data', 'logs', 'tmp']) await mkdir(join(context.folder, folder), { recursive: true });
    const home = homeOf(context, 0);
    return {
      command: commandOf('java'),
      args: [
        // The serial collector trips the circuit breaker of a heap this small.
        ...['-Xms512m', '-Xmx512m', '-XX:+UseG1GC', '-XX:G1ReservePercent=25', '-XX:InitiatingHeapOccupancyPercent=30'],
        `-Djava.io.tmpdir=${join(context.folder, 'tmp')}`,
        ...['-cp', `${join(home, 'launcher')}:${join(home, 'lib')}/*`, 'millrace.stack.SearchNode', home, join(context.folder, 'config')],
        ...Object.entries(nodeSettings(context)).map(([name, value]) => `${name}=${value}`),
      ],
      cwd: context.folder,
    };
  },
};

function nodeSettings({ folder, ports }: PartContext): Record<string, string | number> {
  return {
    'cluster.name': 'millrace',
    'node.name': 'millrace-1',
    'network.host': '127.0.0.1',
    'http.port': ports.elasticsearch,
    'transport.port': ports.elasticsearchTransport,
    'discovery.type': 'single-node',
    'path.data': join(folder, 'data'),
    'path.logs': join(folder, 'logs'),
    'action.destructive_requires_name': 'false',
    // A laptop's disk is often nine tenths full.
    'cluster.routing.allocation.disk.threshold_enabled': 'false',
  };
}

/** The module is loaded apart from the server's jars. */
async function moveModule(lib: string, module: string): Promise<void> {
  await mkdir(module, { recursive: true });
  for (const file of await readdir(lib)) {
    if (/^(netty|transport-netty4)-.*\.jar$/.test(file)) await rename(join(lib, file), join(module, file));
  }
}

async function addPlugin(folder: string, signal: AbortSignal): Promise<void> {
  const plugin = join(folder, 'plugins', 'millrace-local');
  const classes = join(folder, 'build');
  await mkdir(plugin, { recursive: true });
  await compile(folder, 'LocalPlugin.java', classes, signal);
  await runTool({
    command: commandOf('jar'),
    args: ['cf', join(plugin, 'millrace-local.jar'), '-C', classes, '.'],
    signal,
    purpose: 'Packing the Elasticsearch plugin',
    remedy: REMEDY,
  });
  await writeFile(join(plugin, 'plugin-descriptor.properties'), descriptor('millrace-local', 'millrace.stack.LocalPlugin'));
  await rm(classes, { recursive: true });
}

async function compile(folder: string, source: string, classes: string, signal: AbortSignal): Promise<void> {
  await runTool({
    command: commandOf('javac'),
    args: ['-nowarn', '-proc:none', '--release', '17', '-cp', join(folder, 'lib', '*'), '-d', classes, join(SOURCES, source)],
    signal,
    purpose: `Compiling ${source}`,
    remedy: REMEDY,
  });
}

/** Without a `modulename` line: the server runs from the class path, so its plugins must be unnamed modules too. */
function descriptor(name: string, className: string): string {
  return [
    `description=${name}`,
    `version=${VERSION}`,
    `name=${name}`,
    'java.version=17',
    `elasticsearch.version=${VERSION}`,
    `classname=${className}`,
    'extended.plugins=',
    'has.native.controller=false',
    '',
  ].join('\n');
}

/** A change of our Java sources makes another installation. */
function fingerprint(): string {
  const hash = createHash('sha256');
  for (const source of ['SearchNode.java', 'LocalPlugin.java']) hash.update(readFileSync(join(SOURCES, source)));
  return hash.digest('hex').slice(0, 8);
}
