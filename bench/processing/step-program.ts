import { randomBytes } from 'node:crypto';
import type { Cause } from '../../core/unit-of-work.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { continueTrace } from '../../core/trace.ts';
import { my } from '../../processors/my/my.ts';
import { countAcquiredCharacter } from '../../processors/my/count-acquired-character.ts';
import { createDatabase } from '../../runtime/postgres/database.ts';
import { createUnitOfWork } from '../../runtime/postgres/unit-of-work.ts';
import { createReactionHandler } from '../../runtime/processing/reaction-handler.ts';
import { systemClock } from '../../runtime/telemetry/system-clock.ts';
import { CATALOGUE } from '../../schemas/catalogue.ts';
import { createPayloadValidator } from '../../schemas/validator.ts';
import { endWhenTold, orderOf, reportBack } from './program-channel.ts';
import { acquiredEvent, NO_CALLS } from './step-event.ts';
import { StepTimer } from './step-timer.ts';

export interface StepProgramOrder {
  readonly databaseUrl: string;
  /** `single`: one step a transaction, by the unit of work itself. `reactions`: by the handler that a group gives its events to. */
  readonly mode: 'single' | 'reactions';
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
  /** Mean microseconds of each part; of `single` only. */
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
const unitOfWork = createUnitOfWork({
  database,
  domain: my,
  catalogue: CATALOGUE,
  validator: createPayloadValidator(),
  logger: SILENT_LOGGER,
});
const handler = createReactionHandler({
  processor: my.processor ?? { domain: 'my', reactions: [] },
  unitOfWork,
  calls: NO_CALLS,
  random: (length) => randomBytes(length),
  logger: SILENT_LOGGER,
  clock: systemClock,
});
const timer = new StepTimer();
const never = new AbortController().signal;
let serial = 0;

async function single(user: number): Promise<void> {
  const event = acquiredEvent((serial += 1), user);
  const trace = continueTrace(event, (length) => randomBytes(length));
  const cause: Cause = { trace, correlationId: event.id, causationId: event.id };
  await timer.step((timed) =>
    unitOfWork.run(cause, async (tx) => {
      timed.begun();
      await timed.part('inbox', () => tx.markProcessed(countAcquiredCharacter.idempotencyKey(event)));
      const id = countAcquiredCharacter.aggregateId(event);
      const { state, version } = await timed.part('load', () => tx.load(countAcquiredCharacter.aggregate, id));
      const decision = await timed.part('decide', async () => countAcquiredCharacter.decide({ state, event, result: undefined }));
      await timed.part('append', () => tx.append(countAcquiredCharacter.aggregate, id, version, decision.events));
    }),
  );
}

async function reaction(user: number): Promise<void> {
  const event = acquiredEvent((serial += 1), user);
  const result = await handler(event, {
    group: 'bench',
    topic: 'bench',
    partition: 0,
    offset: BigInt(serial) as never,
    signal: never,
    deadlineMs: systemClock.monotonicMs() + 60_000,
    attempt: 1,
    lastAttempt: false,
  });
  if (result.kind !== 'acked') throw new Error(`a step was not made: ${result.kind === 'failed' ? result.error.message : result.kind}`);
}

/** So many at a time, each with users of its own, one step of a user after the other. */
async function steps(seconds: number): Promise<number> {
  const step = order.mode === 'single' ? single : reaction;
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
await database.stop();
await reportBack({ steps: made, wallMs, cpuMs: (cpu.user + cpu.system) / 1_000, partMicros: timer.meanMicros() } satisfies StepOutcome);
