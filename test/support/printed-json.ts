import type { Command } from 'commander';
import { vi } from 'vitest';

/** What the command prints with `--json`, an object a line. */
export async function printedJson(command: Command, words: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  const printed: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
  try {
    await command.parseAsync([...words, '--json'], { from: 'user' });
  } finally {
    log.mockRestore();
  }
  return printed.map((line) => JSON.parse(line) as Record<string, unknown>);
}
