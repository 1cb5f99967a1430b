import type { Command } from 'commander';
import { Option } from 'commander';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import { ERRORS, isErrorCode } from '../core/errors.ts';
import type { Config } from '../runtime/config.ts';
import { loadConfig } from '../runtime/config.ts';
import type { ConfigNeeds } from '../runtime/config-faults.ts';
import { UsageError } from './exit.ts';
import { hasSettings, localEnvironment } from './local-environment.ts';
import { localFolder } from './local-folder.ts';
import { oneLine } from './one-line.ts';

/** Options that several commands have, so that each is the same word with the same meaning everywhere. */

export function dataFolderOption(): Option {
  return new Option('--data-folder <folder>', 'the folder of `millrace start`, whose settings are used').default('.millrace');
}

/**
 * The settings of the environment, or of the folder.
 * @throws UsageError where there are none, ConfigurationError listing every fault.
 */
export function settingsIn(dataFolder: string, needs?: Partial<ConfigNeeds>): Config {
  const folder = localFolder(dataFolder);
  if (!hasSettings(folder)) {
    throw new UsageError(
      `no settings in ${folder.path} and none in the environment (POSTGRES_URL, MILLRACE_CONFIG_FILE)\n` +
        'A local run makes them: `npm start`. For servers of your own docs/configuration.md lists them; --data-folder names another folder.',
    );
  }
  return loadConfig(localEnvironment(folder), { auth: false, ...needs });
}

export function limitOption(byDefault: number, meaning = 'so many at most'): Option {
  return new Option('--limit <count>', meaning).default(String(byDefault), String(byDefault));
}

/** @throws UsageError */
export function limitOf(text: string, max: number): number {
  return countOf(text, '--limit', max);
}

/** A whole number of at least 1. @throws UsageError */
export function countOf(text: string, option: string, max: number): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= max) return count;
  throw new UsageError(`${option} must be a whole number from 1 to ${max}`);
}

/** For commands that only say what they would do until they are told to do it. */
export function dryRunOption(): Option {
  return new Option('--dry-run', 'this is what happens without --apply');
}

/** @throws UsageError when both are said. */
export function requireOneOf({ apply, dryRun }: { readonly apply?: true; readonly dryRun?: true }): void {
  if (apply === true && dryRun === true) throw new UsageError('say either --dry-run or --apply');
}

export interface CodeOptions {
  readonly code?: string;
  /** The former word for it in some commands. */
  readonly error?: string;
}

/** `--code`, and the word that some commands had for it, which still works and is not shown. */
export function withCodeOption(command: Command): Command {
  return command
    .option('--code <code>', 'with this error code, such as CALL_FAILED')
    .addOption(new Option('--error <code>', 'the same as --code').hideHelp());
}

/** @throws UsageError when both words say different codes. */
export function codeOf({ code, error }: CodeOptions): string | undefined {
  if (code !== undefined && error !== undefined && code !== error) throw new UsageError('say --code once; --error is the same');
  return code ?? error;
}

/**
 * What was said that this version does not know: most likely a slip, which would look like "none fits". No fault, because another
 * version may have written it.
 */
export function unknownWords({ type, ...codes }: CodeOptions & { readonly type?: string }, { domains }: PipelineDefinition): string[] {
  const code = codeOf(codes);
  const types = domains.flatMap(({ events }) => events.map((event) => event.type));
  return [
    ...(code === undefined || isErrorCode(code)
      ? []
      : [`this version has no error with the code ${oneLine(code)}\nCodes: ${Object.keys(ERRORS).join(', ')}`]),
    ...(type === undefined || types.includes(type)
      ? []
      : [`this version has no event of the type ${oneLine(type)}\nTypes: ${types.join(', ')}`]),
  ];
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds. @throws UsageError */
export function ageOf(text: string, option: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count === undefined) throw new UsageError(`${option} must be an age such as 90s, 30m, 12h or 7d`);
  return Number(count) * (UNIT_MS[unit] ?? 0);
}
