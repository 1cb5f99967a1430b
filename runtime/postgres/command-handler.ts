import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandDefinition, Decision, Rejection, StoredEvent } from '../../core/define.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import type { AppendedEvent, Cause, FlowStep } from '../../core/unit-of-work.ts';
import { decided } from './aggregate-loader.ts';
import { readOutcome } from './inbox-statements.ts';
import type { CommandStore } from './steps/commit-command.ts';
import { commitCommand } from './steps/commit-command.ts';
import type { PostgresTransaction, PostgresUnitOfWork } from './unit-of-work.ts';

/** What makes two requests the same one. The key names user and route too: the caller composes it. */
export interface Idempotency {
  readonly key: string;
  /** Of the request's body: the same key with another body is a mistake of the client. */
  readonly requestHash: string;
}

export type CommandAnswer =
  | { readonly kind: 'accepted'; readonly events: readonly AppendedEvent[]; readonly result: Json }
  /** The key was used before; `result` is what the first request was answered. */
  | { readonly kind: 'repeated'; readonly result: Json }
  /** The key was used before with another body. */
  | { readonly kind: 'mismatch' }
  /** The domain refused; nothing was committed, the idempotency key neither. */
  | { readonly kind: 'rejected'; readonly rejection: Rejection };

export interface CommandOptions {
  /** How often a transaction that met another one is run at most. */
  readonly attempts?: number;
  readonly random?: () => number;
}

const ATTEMPTS = 12;
const FIRST_DELAY_MS = 4;
const LONGEST_DELAY_MS = 150;

/**
 * Loads, decides and commits: idempotency key, events, outbox rows and state rows in one transaction. Of two requests with
 * one key at the same time, the second waits for the first and gets its answer. When another writer was faster, the
 * aggregate is loaded and decided again, a few times.
 *
 * Rejects with POSTGRES_UNAVAILABLE (the outcome of a lost COMMIT is unknown: the same key tells), VERSION_CONFLICT or
 * POSTGRES_SERIALIZATION when the attempts are used up, LOCK_TIMEOUT, DECISION_FAILED, STATE_INVALID, PAYLOAD_INVALID.
 */
export async function executeCommand<C, S, E extends StoredEvent>(
  unitOfWork: PostgresUnitOfWork,
  command: CommandDefinition<C, S, E>,
  input: C,
  cause: Cause,
  idempotency?: Idempotency,
  options: CommandOptions = {},
): Promise<CommandAnswer> {
  if (command.domain !== unitOfWork.domain) {
    throw new ClassifiedError('DECISION_FAILED', `command ${command.name} belongs to ${command.domain}, not to ${unitOfWork.domain}`);
  }
  const attempts = options.attempts ?? ATTEMPTS;
  const random = options.random ?? Math.random;
  const startedMs = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attemptOnce(unitOfWork, command, input, cause, startedMs, idempotency);
    } catch (error) {
      if (!(error instanceof ClassifiedError) || error.disposition !== 'retry-now' || attempt >= attempts) throw error;
      // Full jitter: the writers of a contended stream must not come back together.
      await sleep(random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt));
    }
  }
}

/** A command with a key is written by one statement where that is possible; else it has a transaction, statement by statement. */
async function attemptOnce<C, S, E extends StoredEvent>(
  unitOfWork: PostgresUnitOfWork,
  command: CommandDefinition<C, S, E>,
  input: C,
  cause: Cause,
  startedMs: number,
  idempotency: Idempotency | undefined,
): Promise<CommandAnswer> {
  const key = idempotency === undefined ? undefined : { ...idempotency, key: `command:${idempotency.key}` };
  const { commands } = unitOfWork;
  if (key !== undefined && commands !== undefined && command.lock === undefined && command.rows === undefined) {
    const answer = await inOneStatement(commands, command, input, { cause, startedMs, key });
    if (answer !== undefined) return answer;
  }
  return inTransaction(unitOfWork, command, input, { cause, startedMs, key });
}

interface Attempt {
  readonly cause: Cause;
  readonly startedMs: number;
  readonly key: Idempotency | undefined;
}

async function inOneStatement<C, S, E extends StoredEvent>(
  store: CommandStore,
  command: CommandDefinition<C, S, E>,
  input: C,
  { cause, startedMs, key }: Attempt & { readonly key: Idempotency },
): Promise<CommandAnswer | undefined> {
  let result: Json = null;
  const fate = await commitCommand(store, {
    name: command.name,
    idempotencyKey: key.key,
    aggregate: command.aggregate,
    aggregateId: decided(() => command.aggregateId(input)),
    cause,
    startedMs,
    decide(state) {
      const decision = command.decide(state as S, input, []);
      if (isRejection(decision)) return decision;
      result = decision.result ?? null;
      return { ...decision, result: { request_hash: key.requestHash, answer: result } };
    },
  });
  if (fate?.kind === 'committed') return { kind: 'accepted', events: fate.events, result };
  if (fate?.kind === 'taken') return firstAnswer(await readOutcome(store.database, store.settings.schema, key.key), key);
  return fate;
}

async function inTransaction<C, S, E extends StoredEvent>(
  unitOfWork: PostgresUnitOfWork,
  command: CommandDefinition<C, S, E>,
  input: C,
  { cause, startedMs, key }: Attempt,
): Promise<CommandAnswer> {
  try {
    return await unitOfWork.run(cause, async (tx) => {
      const lock = decided(() => command.lock?.(input));
      if (lock !== undefined) await tx.lock(lock);
      const earlier =
        key === undefined ? undefined : await claim(tx, key, { name: command.name, elapsedMs: performance.now() - startedMs });
      if (earlier !== undefined) return earlier;
      const id = decided(() => command.aggregateId(input));
      const { state, version } = await tx.load(command.aggregate, id);
      const query = decided(() => command.rows?.(input));
      const rows = query === undefined ? [] : await tx.rows(query);
      const decision = decided(() => command.decide(state, input, rows));
      if (isRejection(decision)) throw new Refused(decision);
      const events = await tx.append(command.aggregate, id, version, decision.events);
      if (decision.changes !== undefined) await tx.change(decision.changes);
      const result = decision.result ?? null;
      if (key !== undefined) {
        await tx.keepOutcome(key.key, { ...decision, result: { request_hash: key.requestHash, answer: result } });
      }
      return { kind: 'accepted', events, result };
    });
  } catch (error) {
    if (error instanceof Refused) return { kind: 'rejected', rejection: error.rejection };
    throw error;
  }
}

/** Takes the key, or answers for the one who has it: marking waits for a transaction that holds it. */
async function claim(tx: PostgresTransaction, key: Idempotency, step: FlowStep): Promise<CommandAnswer | undefined> {
  if (await tx.markProcessed(key.key, step)) return undefined;
  return firstAnswer(await tx.processedResult(key.key), key);
}

function firstAnswer(stored: Json | undefined, { requestHash }: Idempotency): CommandAnswer {
  if (stored === undefined) {
    // The sweep removed the expired key between the two statements; the next attempt takes it.
    throw new ClassifiedError('POSTGRES_SERIALIZATION', 'the idempotency key went away while it was read');
  }
  const first = stored as JsonObject | null;
  return first?.['request_hash'] === requestHash ? { kind: 'repeated', result: first['answer'] ?? null } : { kind: 'mismatch' };
}

function isRejection(decision: Decision | Rejection): decision is Rejection {
  return 'rejected' in decision;
}

/** Leaves the transaction without committing it. */
class Refused extends Error {
  readonly rejection: Rejection;

  constructor(rejection: Rejection) {
    super('the command was rejected');
    this.rejection = rejection;
  }
}
