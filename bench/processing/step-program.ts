import { randomBytes } from 'node:crypto';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { Step } from '../../core/step.ts';
import { continueTrace } from '../../core/trace.ts';
import { my } from '../../processors/my/my.ts';
import { countAcquiredCharacter } from '../../processors/my/count-acquired-character.ts';
import { createDatabase } from '../../runtime/postgres/database.ts';
import { takeStep } from '../../runtime/postgres/steps/commit-step.ts';
import { systemClock } from '../../runtime/telemetry/system-clock.ts';
import { endWhenTold, orderOf, reportBack } from './program-channel.ts';
import { acquiredEvent } from './step-event.ts';
import { stepHandler, unitOfWorkOf } from './step-handler.ts';
import { StepTimer } from './step-timer.ts';

export interface StepProgramOrder {
  readonly databaseUrl: string;
  /** `reactions`: by the handler that a group gives its events to. `parts`: by the unit of work itself, statement by statement. */
  readonly mode: 'reactions' | 'parts';
  /** Steps that may share a transaction. */
  readonly batchMax: number;
  readonly connections: number;
  /** Steps at the same time, each of another user. */
  readonly concurrency: number;
  readonly users: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

export interface StepOutcome {
  readonly steps: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Mean microseconds of each part; of `parts` only. */
  readonly partMicros: Readonly<Record<string, number>>;
}

/** Makes steps of the domain `my` against a real database, as many as it can in the time, and reports how many. */
const order = orderOf<StepProgramOrder>();
endWhenTold(async () => undefined);
const database = createDatabase({
  url: order.databaseUrl,
  domain: 'my',
  poolMax: order.connections,
  connectTimeoutMs: 60_000,
  logger: SILENT_LOGGER,
});
const unitOfWork = unitOfWorkOf(database);
const reactions = stepHandler(database, order, my.processor ?? { domain: 'my', reactions: [] });
const timer = new StepTimer();
const never = new AbortController().signal;
let serial = 0;

async function inParts(user: number): Promise<void> {
  const event = acquiredEvent((serial += 1), user);
  const trace = continueTrace(event, (length) => randomBytes(length));
  await timer.step((timed) => {
    const step: Step = {
      name: `my:${event.type}`,
      idempotencyKey: countAcquiredCharacter.idempotencyKey(event),
      aggregate: countAcquiredCharacter.aggregate,
      aggregateId: countAcquiredCharacter.aggregateId(event),
      cause: { trace, correlationId: event.id, causationId: event.id },
      startedMs: systemClock.monotonicMs(),
      decide: (state) => timed.now('decide', () => countAcquiredCharacter.decide({ state, event, result: undefined, rows: [] })),
    };
    return unitOfWork.run(step.cause, (tx) => takeStep(timed.transaction(tx), step, systemClock));
  });
}

async function reaction(user: number): Promise<void> {
  const event = acquiredEvent((serial += 1), user);
  const result = await reactions.handle(event, {
    group: 'bench',
    topic: 'bench',
    partition: 0,
    offset: BigInt(serial) as never,
    recordedAtMs: undefined,
    signal: never,
    deadlineMs: systemClock.monotonicMs() + 60_000,
    attempt: 1,
    lastAttempt: false,
    awaiting: () => undefined,
    unanswered: () => undefined,
    isolated: () => false,
    blame: (error) => error,
  });
  if (result.kind !== 'acked') throw new Error(`a step was not made: ${result.kind === 'failed' ? result.error.message : result.kind}`);
}

/** So many at a time, each with users of its own, one step of a user after the other. */
async function steps(seconds: number): Promise<number> {
  const step = order.mode === 'parts' ? inParts : reaction;
  const each = Math.floor(order.users / order.concurrency);
  const until = performance.now() + seconds * 1_000;
  let made = 0;
  await Promise.all(
    Array.from({ length: order.concurrency }, async (_, worker) => {
      for (let turn = 0; performance.now() < until; turn += 1) {
        await step(worker * each + 1 + (turn % each));
        made += 1;
      }
    }),
  );
  return made;
}

await steps(order.warmUpSeconds);
timer.reset();
const began = performance.now();
const before = process.cpuUsage();
const made = await steps(order.seconds);
const cpu = process.cpuUsage(before);
const wallMs = performance.now() - began;
await reactions.stop();
await database.stop();
await reportBack({ steps: made, wallMs, cpuMs: (cpu.user + cpu.system) / 1_000, partMicros: timer.meanMicros() } satisfies StepOutcome);
