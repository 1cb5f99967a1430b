import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from '../lock.ts';
import { runTool } from '../run-tool.ts';
import { commandOf } from './toolchain.ts';

const PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1';

const REMEDY =
  'Check that Maven can download (network, proxy and mirrors are settings of Maven, in ~/.m2/settings.xml), then start again: what is there already is not fetched twice.';

/** `group:artifact:version` */
export type Coordinates = `${string}:${string}:${string}`;

/** Downloads by the user's own Maven, one run at a time: Maven's local repository is not made for two writers. */
export class Maven {
  readonly #lockFile: string;
  readonly #signal: AbortSignal;

  constructor(cache: string, signal: AbortSignal) {
    this.#lockFile = join(cache, '.maven.lock');
    this.#signal = signal;
  }

  /** Copies the artifacts and everything they need at run time into `folder`. */
  async copyWithDependencies(artifacts: readonly Coordinates[], folder: string): Promise<void> {
    await mkdir(folder, { recursive: true });
    const project = join(folder, 'pom.xml');
    await writeFile(project, projectOf(artifacts));
    await this.#run(artifacts, folder, [
      '-f',
      project,
      `${PLUGIN}:copy-dependencies`,
      '-DincludeScope=runtime',
      `-DoutputDirectory=${folder}`,
    ]);
  }

  /** Copies one artifact alone into `folder` and resolves with the file; `type` and `classifier` choose which of its files. */
  async copyArchive(artifact: Coordinates, folder: string, type = 'jar', classifier?: string): Promise<string> {
    await mkdir(folder, { recursive: true });
    const full = [artifact, type, ...(classifier === undefined ? [] : [classifier])].join(':');
    await this.#run([artifact], folder, [`${PLUGIN}:copy`, `-Dartifact=${full}`, `-DoutputDirectory=${folder}`]);
    const file = (await readdir(folder)).find((name) => name.endsWith(`.${type}`));
    if (file === undefined) throw new Error(`Maven copied no file for ${full}`);
    return join(folder, file);
  }

  async #run(artifacts: readonly string[], folder: string, args: readonly string[]): Promise<void> {
    await withLock(this.#lockFile, { signal: this.#signal }, async () => {
      await runTool({
        command: commandOf('mvn'),
        args: ['-B', '-q', '-ntp', ...args],
        cwd: folder,
        signal: this.#signal,
        purpose: `Downloading ${artifacts.join(', ')} with Maven`,
        remedy: REMEDY,
      });
    });
  }
}

function projectOf(artifacts: readonly Coordinates[]): string {
  const dependencies = artifacts.map((artifact) => {
    const [group, name, version] = artifact.split(':') as [string, string, string];
    return `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`;
  });
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>',
    '<groupId>millrace</groupId><artifactId>stack</artifactId><version>1</version><packaging>pom</packaging>',
    `<dependencies>${dependencies.join('')}</dependencies></project>`,
  ].join('\n');
}
