import type { Clock } from '../../../core/clock.ts';
import type { Step, StepOutcome } from '../../../core/step.ts';
import type { UnitOfWork, UnitOfWorkTransaction } from '../../../core/unit-of-work.ts';
import { decided } from '../aggregate-loader.ts';

/** One step in a transaction of its own. */
export async function commitStep(unitOfWork: UnitOfWork, step: Step, clock: Clock): Promise<StepOutcome> {
  return unitOfWork.run(step.cause, (tx) => takeStep(tx, step, clock));
}

/** The step within a transaction that the caller ends: lock, inbox mark, load, decision, state, events and outbox. */
export async function takeStep(tx: UnitOfWorkTransaction, step: Step, clock: Clock): Promise<StepOutcome> {
  const { idempotencyKey, aggregate, aggregateId, name } = step;
  if (step.lock !== undefined) await tx.lock(step.lock);
  const isNew = await tx.markProcessed(idempotencyKey, { name, elapsedMs: clock.monotonicMs() - step.startedMs });
  if (!isNew) return { kind: 'repeated' };
  const { state, version } = await tx.load(aggregate, aggregateId);
  const rows = step.rows === undefined ? [] : await tx.rows(step.rows);
  const decision = decided(() => step.decide(state, rows));
  await tx.append(aggregate, aggregateId, version, decision.events);
  if (decision.changes !== undefined) await tx.change(decision.changes);
  if (decision.result !== undefined || decision.step !== undefined) await tx.keepOutcome(idempotencyKey, decision);
  return { kind: 'committed', events: decision.events.length };
}
