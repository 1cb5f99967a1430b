import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from './commands.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const program = new Command('millrace');
beforeAll(async () => {
  for (const make of Object.values(COMMANDS)) program.addCommand(await make());
});

/** The command and everything below it. */
function withBelow(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(withBelow)];
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

/** The words that a line calls the command with; without comments, redirections, pipes and what follows them. */
function calledWith(line: string): readonly string[] {
  const words = line.replaceAll(/'[^']*'/g, 'text').split(/\s+/);
  const end = words.findIndex((word) => /^[#|&>;)]|^&&$/.test(word));
  return (end < 0 ? words : words.slice(0, end)).map((word) => word.replace(/[);"]+$/, '')).filter((word) => word !== '');
}

/** What is wrong with the words, or undefined. */
function faultOf(words: readonly string[]): string | undefined {
  let command = program;
  for (const [at, word] of words.entries()) {
    if (word.startsWith('-')) {
      const name = word.split('=', 1)[0];
      const isForAll = name === '--help' || (name === '--version' && command === program);
      const isKnown = isForAll || command.options.some(({ long, short }) => long === name || short === name);
      if (!isKnown) return `${pathOf(command)} has no ${word}`;
    } else if (command.commands.length > 0) {
      const next = command.commands.find((each) => each.name() === word);
      if (next === undefined) return `${pathOf(command)} has no ${word}`;
      command = next;
    } else if (at === 0) return `there is no ${word}`;
  }
  return undefined;
}

describe('the version', () => {
  it('is that of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly version: string };
    const { stdout } = await promisify(execFile)(process.execPath, [join(ROOT, 'bin', 'millrace.mjs'), '--version']);
    expect(stdout.trim()).toBe(version);
  });
});

describe('the help', () => {
  it('of every command and group has an example', () => {
    const without = program.commands
      .flatMap(withBelow)
      .filter((command) => !/^ {2}.*millrace /m.test(helpOf(command).split(/^Examples?:/m)[1] ?? ''));
    expect(without.map(pathOf)).toEqual([]);
  });

  it('shows no command or option in its examples that is not there', () => {
    const faults = program.commands.flatMap(withBelow).flatMap((command) => {
      const [, examples = ''] = helpOf(command).split(/^Examples?:/m);
      return [...examples.matchAll(/\bmillrace (?!-)([^\n]*)/g)].flatMap(([, rest = '']) => {
        const fault = faultOf(calledWith(rest.replace(/^-- /, '')));
        return fault === undefined ? [] : [`${pathOf(command)}: ${rest}: ${fault}`];
      });
    });
    expect(faults).toEqual([]);
  });

  it('says of --data-folder the same default everywhere', () => {
    const defaults = program.commands
      .flatMap(withBelow)
      .flatMap(({ options }) => options.filter(({ long }) => long === '--data-folder').map(({ defaultValue }) => defaultValue as unknown));
    expect(new Set(defaults)).toEqual(new Set(['.millrace']));
  });
});

describe('README and docs', () => {
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'));
  const files = ['README.md', 'CHANGELOG.md', 'alerts/millrace.rules.yml', ...docs.map((name) => join('docs', name))];

  it.each(files)('%s names no command or option that is not there', (file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    const calls = [
      ...[...text.matchAll(/npm run (?:-s )?millrace -- ([^\n`|]*)/g)].map(([, rest = '']) => rest),
      ...[...text.matchAll(/`millrace ([^`]*)`/g)].map(([, rest = '']) => rest),
    ];
    // `dlt list | show`, `stack …`: words that stand for several, or for what comes.
    const said = calls.map((rest) => rest.replaceAll(/\[([^\]]*)\]/g, '$1').split(/ \| | …|, /, 1)[0] ?? '');
    const faults = said.flatMap((rest) => {
      const fault = faultOf(calledWith(rest));
      return fault === undefined ? [] : [`${rest}: ${fault}`];
    });
    expect(faults).toEqual([]);
  });
});
