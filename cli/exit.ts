import { ClassifiedError } from '../core/errors.ts';
import { ConfigurationError } from '../runtime/config.ts';

/** Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted, 141 nobody reads the output any more. */
export const EXIT_CONFIGURATION = 2;

/** A wrong word on the command line; the text says which words there are. */
export class UsageError extends Error {}

/** What a person is shown of an error: what happened and what to do, no stack trace, no secret. */
export function explain(error: unknown): { readonly text: string; readonly exitCode: number } {
  if (error instanceof ConfigurationError) {
    return {
      text: `${error.message}\n\nSettings come from the environment or from the file that MILLRACE_CONFIG_FILE names; docs/configuration.md lists them.`,
      exitCode: EXIT_CONFIGURATION,
    };
  }
  if (error instanceof UsageError) return { text: error.message, exitCode: EXIT_CONFIGURATION };
  if (error instanceof ClassifiedError) {
    const exitCode = error.code === 'CONFIGURATION_INVALID' ? EXIT_CONFIGURATION : 1;
    return { text: `${error.message}\n${error.remedy}`, exitCode };
  }
  if (error instanceof Error && error.name === 'AbortError') return { text: 'interrupted', exitCode: 130 };
  return { text: error instanceof Error ? error.message : String(error), exitCode: 1 };
}
