import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from '../stack-error.ts';

export type Tool = 'java' | 'javac' | 'jar' | 'mvn' | 'npm' | 'tar';

export interface MissingTool {
  readonly tool: Tool;
  readonly problem: string;
  readonly remedy: string;
}

const JAVA_AT_LEAST = 17;
const JDK_REMEDY = `Install a JDK ${JAVA_AT_LEAST} or newer (Debian: openjdk-17-jdk-headless, Homebrew: openjdk@17) and put it on PATH or into JAVA_HOME.`;

const REMEDY: Readonly<Record<Tool, string>> = {
  java: JDK_REMEDY,
  javac: JDK_REMEDY,
  jar: JDK_REMEDY,
  mvn: 'Install Maven 3.8 or newer (Debian: maven, Homebrew: maven) and put mvn on PATH.',
  npm: 'Install npm (it comes with Node) and put it on PATH.',
  tar: 'Install tar and put it on PATH.',
};

/** The command that runs a tool: those of the JDK come from JAVA_HOME when that is set. */
export function commandOf(tool: Tool): string {
  const home = process.env['JAVA_HOME'];
  if (home === undefined || home === '' || !(tool === 'java' || tool === 'javac' || tool === 'jar')) return tool;
  const inHome = join(home, 'bin', tool);
  return existsSync(inHome) ? inHome : tool;
}

/** Those of the tools that are not there or too old. */
export async function missingTools(tools: readonly Tool[]): Promise<readonly MissingTool[]> {
  const problems = await Promise.all(tools.map(async (tool) => ({ tool, problem: await problemWith(tool) })));
  return problems.flatMap(({ tool, problem }) => (problem === undefined ? [] : [{ tool, problem, remedy: REMEDY[tool] }]));
}

/** Throws one StackError that names all missing tools and how to get each. */
export async function requireTools(tools: readonly Tool[]): Promise<void> {
  const missing = await missingTools(tools);
  if (missing.length === 0) return;
  throw new StackError(
    `The local stack needs what is not here: ${missing.map(({ problem }) => problem).join(', ')}`,
    [...new Set(missing.map(({ remedy }) => remedy)), 'Or use Docker: --flavour docker.'].join(' '),
  );
}

async function problemWith(tool: Tool): Promise<string | undefined> {
  const versionFlag = tool === 'java' || tool === 'javac' ? '-version' : '--version';
  const said = await outputOf(commandOf(tool), [versionFlag]);
  if (said === undefined) return `${tool} does not run`;
  if (tool !== 'java' && tool !== 'javac') return undefined;
  const version = javaVersion(said);
  return version === undefined || version >= JAVA_AT_LEAST ? undefined : `${tool} is version ${version}, and ${JAVA_AT_LEAST} is the least`;
}

/** The feature release out of what `java -version` prints: `"17.0.15"`, `"1.8.0_412"`, `javac 21`. */
export function javaVersion(text: string): number | undefined {
  const match = /(?:version "|javac )(?:1\.)?(\d+)/.exec(text);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

function outputOf(command: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: 30_000 }, (error, stdout, stderr) => resolve(error === null ? stdout + stderr : undefined));
  });
}
