import type { Decision, Rejection } from '../../../core/define.ts';
import { eventId } from '../../../core/envelope.ts';
import { ClassifiedError } from '../../../core/errors.ts';
import type { Step } from '../../../core/step.ts';
import type { AppendedEvent } from '../../../core/unit-of-work.ts';
import { systemClock } from '../../telemetry/system-clock.ts';
import { decided } from '../aggregate-loader.ts';
import type { Database } from '../database.ts';
import type { AppendSettings } from '../prepare-append.ts';
import { decideStep } from './decide-step.ts';
import type { DecideSettings } from './decide-step.ts';
import { readSteps } from './read-steps.ts';
import { writeSteps } from './write-steps.ts';

/** Where the whole of a command is written by one statement. */
export interface CommandStore {
  readonly database: Database;
  readonly settings: DecideSettings & AppendSettings & { readonly schema: string; readonly inboxRetentionDays: number };
}

/** A command with an idempotency key. It looks at its aggregate alone. */
export interface KeyedCommand extends Omit<Step, 'decide' | 'lock' | 'rows' | 'isolated'> {
  decide(state: unknown): Decision | Rejection;
}

export type CommandFate =
  | { readonly kind: 'committed'; readonly events: readonly AppendedEvent[] }
  /** The key was taken before; nothing was written. */
  | { readonly kind: 'taken' }
  | { readonly kind: 'rejected'; readonly rejection: Rejection };

/**
 * A command in two statements, as a step: one reads whether the key is free and what is decided upon, one writes everything,
 * in a transaction of its own and only where the stream still stands as it was read. Undefined for a command that one statement
 * cannot write, because the order of its changes matters.
 * @throws ClassifiedError as `executeCommand`; VERSION_CONFLICT when another writer was faster.
 */
export async function commitCommand({ database, settings }: CommandStore, command: KeyedCommand): Promise<CommandFate | undefined> {
  const { schema } = settings;
  const undecided: Step = { ...command, decide: () => ({ events: [] }) };
  const [basis] = await readSteps(database, schema, [undecided]);
  if (basis === undefined || basis === 'repeated') return { kind: 'taken' };
  if (basis instanceof ClassifiedError) throw basis;
  const decision = decided(() => command.decide(basis.state));
  if ('rejected' in decision) return { kind: 'rejected', rejection: decision };
  const step = decideStep(settings, { ...undecided, decide: () => decision }, basis);
  if (step === undefined) return undefined;

  const [first] = step.rows;
  // A command begins the flow that its first event names.
  const cause = first === undefined ? command.cause : { correlationId: first.event_id, ...command.cause };
  const write = { ...settings, domain: settings.domain.name, clock: systemClock };
  const [fate] = await writeSteps(database, write, [{ ...step, step: { ...step.step, cause } }]);
  if (fate?.taken === true) {
    return {
      kind: 'committed',
      events: step.rows.map((row) => ({ id: eventId(row.event_id), type: row.type, version: BigInt(row.version) })),
    };
  }
  if (fate?.current === true) return { kind: 'taken' };
  throw new ClassifiedError(
    'VERSION_CONFLICT',
    `another writer appended to the stream of ${command.aggregate.type} first, or it was read too long ago`,
  );
}
