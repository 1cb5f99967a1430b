import { chmod, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StackError } from '../stack-error.ts';
import { homeOf, type NativePart, type Recipe } from './native-part.ts';
import { runTool } from '../run-tool.ts';
import { commandOf } from './toolchain.ts';

/** The servers inside the artifact, by platform. */
const BINARY: Readonly<Record<string, string>> = {
  'linux-x64': 'redis-server-6.2.6-v5-linux-amd64',
  'linux-arm64': 'redis-server-6.2.7-linux-arm64',
  'darwin-x64': 'redis-server-6.2.6-v5-darwin-amd64',
  'darwin-arm64': 'redis-server-6.2.6-v5-darwin-arm64',
};

const platform = `${process.platform}-${process.arch}`;

const recipe: Recipe = {
  name: `redis-6.2-${platform}`,
  tools: ['mvn', 'jar'],
  async fill(folder, { maven, signal }) {
    const binary = BINARY[platform];
    if (binary === undefined) {
      throw new StackError(`There is no Redis for ${platform}`, 'Give a running one by REDIS_URL, or use --flavour docker.');
    }
    const download = join(folder, 'download');
    const archive = await maven.copyArchive('com.github.codemonstur:embedded-redis:1.4.3', download);
    await runTool({
      command: commandOf('jar'),
      args: ['xf', archive, binary],
      cwd: folder,
      signal,
      purpose: 'Unpacking Redis',
      remedy: 'Start again; if it stays, look at the free disk space of the cache.',
    });
    await rename(join(folder, binary), join(folder, 'redis-server'));
    await chmod(join(folder, 'redis-server'), 0o755);
    await rm(download, { recursive: true });
  },
};

export const redis: NativePart = {
  part: 'redis',
  needs: [],
  tools: [],
  recipes: [recipe],
  stopSteps: [
    ['SIGTERM', 10_000],
    ['SIGKILL', 5_000],
  ],

  address: (ports) => `redis://127.0.0.1:${ports.redis}`,

  async prepare(context) {
    await mkdir(context.folder, { recursive: true });
    const settings: Record<string, string> = {
      port: String(context.ports.redis),
      bind: '127.0.0.1',
      dir: context.folder,
      // Read models outlive a restart of the stack; a full rebuild is for losses.
      appendonly: 'yes',
      appendfsync: 'everysec',
      save: '',
      'maxmemory-policy': 'noeviction',
    };
    return {
      command: join(homeOf(context, 0), 'redis-server'),
      args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
      cwd: context.folder,
    };
  },
};
