import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StackError } from '../stack-error.ts';
import { homeOf, STOP_JVM, type NativePart, type Recipe } from './native-part.ts';
import { runTool } from '../run-tool.ts';
import { commandOf } from './toolchain.ts';

const VERSION = '2.6.13.Final';

const recipe: Recipe = {
  name: `apicurio-registry-${VERSION}`,
  tools: ['mvn', 'tar'],
  async fill(folder, { maven, signal }) {
    const download = join(folder, 'download');
    const archive = await maven.copyArchive(`io.apicurio:apicurio-registry-app:${VERSION}`, download, 'tar.gz', 'all');
    await runTool({
      command: commandOf('tar'),
      args: ['xzf', archive, '-C', folder],
      signal,
      purpose: 'Unpacking the schema registry',
      remedy: 'Start again; if it stays, look at the free disk space of the cache.',
    });
    await rm(download, { recursive: true });
  },
};

/**
 * Apicurio Registry by its Confluent API. Records hold schema ids, so ids must outlive the process: the store is a file,
 * and a registration is on disk before it is answered.
 */
export const registry: NativePart = {
  part: 'registry',
  needs: [],
  tools: ['java'],
  recipes: [recipe],
  stopSteps: STOP_JVM,

  address: (ports) => `http://127.0.0.1:${ports.registry}/apis/ccompat/v7`,

  async prepare(context) {
    await mkdir(context.folder, { recursive: true });
    const home = homeOf(context, 0);
    const jar = (await readdir(home)).find((name) => name.endsWith('-runner.jar'));
    if (jar === undefined) throw new Error(`no runnable jar in ${home}`);
    return {
      command: commandOf('java'),
      args: ['-Xmx256m', '-XX:+UseSerialGC', '-jar', join(home, jar)],
      cwd: context.folder,
      env: {
        REGISTRY_DATASOURCE_URL: `jdbc:h2:file:${join(context.folder, 'schemas')};WRITE_DELAY=0`,
        QUARKUS_HTTP_HOST: '127.0.0.1',
        QUARKUS_HTTP_PORT: String(context.ports.registry),
      },
    };
  },

  /** Apicurio accepts everything until told otherwise. */
  async settle(address, signal) {
    const response = await fetch(`${address}/config`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ compatibility: 'BACKWARD' }),
      signal,
    });
    if (response.ok) return;
    throw new StackError(`The registry refused its compatibility level with ${response.status}`, 'Look at its log.');
  },
};
