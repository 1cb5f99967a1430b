import { userInfo } from 'node:os';
import { Command } from 'commander';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import { pipelineIn } from '../pipeline.ts';
import type { Config } from '../runtime/config.ts';
import type { LetterFilter } from '../runtime/dead-letters/letter-filter.ts';
import { UNHANDLED } from '../runtime/dead-letters/letter-filter.ts';
import type { LetterQueue } from '../runtime/dead-letters/letter-queues.ts';
import { chooseQueues, isGroupQueue } from '../runtime/dead-letters/letter-queues.ts';
import type { LetterState } from '../runtime/dead-letters/letter-states.ts';
import { LETTER_STATES } from '../runtime/dead-letters/letter-states.ts';
import type { DeadLetters } from '../runtime/dead-letters/open-dead-letters.ts';
import { withDeadLetters } from '../runtime/dead-letters/open-dead-letters.ts';
import { createLogger } from '../runtime/telemetry/log.ts';
import type { CodeOptions } from './common-options.ts';
import { ageOf, codeOf, dataFolderOption, settingsIn, unknownWords, withCodeOption } from './common-options.ts';
import { UsageError } from './exit.ts';
import { interrupts } from './interrupts.ts';
import { oneLine } from './one-line.ts';

/** The conditions that every command over letters understands. */
export interface FilterOptions extends CodeOptions {
  readonly group?: string;
  readonly topic?: string;
  readonly fingerprint?: string;
  readonly key?: string;
  readonly type?: string;
  readonly trace?: string;
  readonly olderThan?: string;
  readonly newerThan?: string;
  readonly state?: string;
  readonly dataFolder: string;
}

export function letterCommand(name: string, description: string): Command {
  return withCodeOption(new Command(name).description(description))
    .option('--group <group>', 'of this consumer group, such as processor.scan, or of this capture, such as capture.scan')
    .option('--topic <topic>', 'of this dead-letter topic, or of the topic that was read')
    .option('--fingerprint <fingerprint>', 'with this fingerprint, as `dlt stats` prints them')
    .option('--key <key>', 'of this record key')
    .option('--type <type>', 'of this event type, such as ScanRequested')
    .option('--trace <id>', 'of this trace')
    .option('--older-than <age>', 'written at least so long ago: 90s, 30m, 12h, 7d')
    .option('--newer-than <age>', 'written less than so long ago')
    .addOption(dataFolderOption());
}

/** Who runs the command, for the audit. A container may run it under a number that has no name. */
export function thisOperator(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

/** Without a state: the letters that nobody has handled. @throws UsageError */
export function filterOf(options: FilterOptions, nowMs: number): LetterFilter {
  const { fingerprint, key, type, trace: traceId, olderThan, newerThan } = options;
  const code = codeOf(options);
  const states = statesOf(options.state);
  return {
    ...{ code, fingerprint, key, type, traceId, states },
    writtenFromMs: newerThan === undefined ? undefined : nowMs - ageOf(newerThan, '--newer-than'),
    writtenBeforeMs: olderThan === undefined ? undefined : nowMs - ageOf(olderThan, '--older-than'),
  };
}

function statesOf(text: string | undefined): readonly LetterState[] | undefined {
  if (text === undefined) return UNHANDLED;
  if (text === 'all') return undefined;
  const states = text.split(',');
  const known: readonly string[] = LETTER_STATES;
  if (!states.every((state) => known.includes(state))) throw new UsageError(`--state must be all, or some of ${LETTER_STATES.join(', ')}`);
  return states as LetterState[];
}

/** Whether some condition chooses: what changes letters must not mean all of them by leaving words out. */
export function chooses(options: FilterOptions): boolean {
  const { fingerprint, key, type, trace, group, topic, olderThan, newerThan } = options;
  return [codeOf(options), fingerprint, key, type, trace, group, topic, olderThan, newerThan].some((condition) => condition !== undefined);
}

/** What is said when there is none: whether it is the conditions, or there is nothing to choose from. */
export function noLetter(options: FilterOptions & { readonly fromArchive?: string }): string {
  const { fingerprint, key, type, trace, olderThan, newerThan, group, topic, fromArchive, state } = options;
  if ([codeOf(options), fingerprint, key, type, trace, olderThan, newerThan].some((condition) => condition !== undefined))
    return 'no dead letter fits';
  const where = [group, topic, fromArchive].every((place) => place === undefined) ? '' : ' there';
  if (state === 'all') return `there are no dead letters${where}`;
  return state === undefined
    ? `there is no dead letter${where} that nobody has handled; \`dlt list --state all\` shows the others`
    : `there is no dead letter${where} in this state`;
}

/** @throws UsageError listing what there is. */
export function queuesOf(queues: readonly LetterQueue[], { group, topic }: FilterOptions): readonly LetterQueue[] {
  const chosen = chooseQueues(queues, { group, topic });
  if (chosen.length > 0) return chosen;
  const ofGroup = chooseQueues(queues, { group });
  if (ofGroup.length === 0) {
    const groups = new Set(queues.map((queue) => queue.group));
    throw new UsageError(`there is no group ${oneLine(group ?? '')}\nGroups: ${[...groups].join(', ')}`);
  }
  const topics = new Set(ofGroup.map((queue) => (isGroupQueue(queue) ? queue.source : queue.topic)));
  const whose = group === undefined ? 'no group reads' : `${oneLine(group)} does not read`;
  throw new UsageError(
    `${whose} the topic ${oneLine(topic ?? '')}, and it is no dead-letter topic of it\nTopics: ${[...topics].join(', ')}`,
  );
}

export interface LetterWork {
  readonly letters: DeadLetters;
  readonly pipeline: PipelineDefinition;
  readonly config: Config;
  /** Aborted by Ctrl-C: what is begun is finished, and the command can be run again. */
  readonly signal: AbortSignal;
}

/** Opens what the commands need, by the settings of the process or of the folder, and closes it again. */
export async function withLetters(
  options: Pick<FilterOptions, 'dataFolder' | 'code' | 'error' | 'type'>,
  work: (given: LetterWork) => Promise<void>,
): Promise<void> {
  const config = settingsIn(options.dataFolder);
  const pipeline = pipelineIn(config.timeZone);
  for (const unknown of unknownWords(options, pipeline)) console.error(unknown);
  const logger = createLogger({ service: 'millrace-dlt', environment: config.environment, level: 'error', format: config.log.format });
  const interrupted = interrupts({ leaves: 'what was written stays written, and the command can be run again' });
  try {
    await withDeadLetters({ pipeline, config, logger, service: 'millrace-dlt' }, async (letters) =>
      work({ letters, pipeline, config, signal: interrupted.signal }),
    );
  } finally {
    interrupted.end();
  }
}

const PROGRESS_EVERY_MS = 500;
/** Shorter reads say nothing. */
const PROGRESS_FROM_RECORDS = 20_000;

/** Tells a person at a terminal how far a long read is; others see nothing. */
export function progressOnTerminal(quiet: boolean): { readonly onProgress: (done: number, total: number) => void; end(): void } {
  let saidAtMs = performance.now();
  let said = false;
  const talks = !quiet && process.stderr.isTTY;
  return {
    onProgress: (done, total) => {
      if (!talks || total < PROGRESS_FROM_RECORDS || performance.now() - saidAtMs < PROGRESS_EVERY_MS) return;
      saidAtMs = performance.now();
      said = true;
      process.stderr.write(`\r${done} of ${total} letters read (${Math.floor((done * 100) / total)} %) `);
    },
    end: () => {
      if (said) process.stderr.write('\r\u001b[K');
    },
  };
}
