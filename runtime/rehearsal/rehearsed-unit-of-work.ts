import type { UnitOfWork, UnitOfWorkTransaction } from '../../core/unit-of-work.ts';
import type { RehearsableUnitOfWork } from '../postgres/unit-of-work.ts';
import type { EffectNotes } from './effect-notes.ts';

/** A unit of work whose transactions run in full, are taken down, and are rolled back: nothing of them is ever seen by others. */
export function rehearsedUnitOfWork(unitOfWork: RehearsableUnitOfWork, notes: EffectNotes): UnitOfWork {
  return {
    domain: unitOfWork.domain,
    run: (cause, work) => {
      notes.clear();
      return unitOfWork.rehearse(cause, (tx) => work(noted(tx, notes)));
    },
  };
}

function noted(tx: UnitOfWorkTransaction, notes: EffectNotes): UnitOfWorkTransaction {
  return {
    lock: (name) => tx.lock(name),
    rows: (query) => tx.rows(query),
    markProcessed: (idempotencyKey, step) => tx.markProcessed(idempotencyKey, step),
    keepOutcome: (idempotencyKey, decision) => tx.keepOutcome(idempotencyKey, decision),
    load: (aggregate, id) => tx.load(aggregate, id),
    append: async (aggregate, id, expectedVersion, events) => {
      const appended = await tx.append(aggregate, id, expectedVersion, events);
      for (const [index, { id: eventId, type, version }] of appended.entries()) {
        const payload = events[index]?.payload;
        notes.events.push({ id: eventId, type, aggregateType: aggregate.type, aggregateId: id, version, payload });
        const stored = { type, payload, version, occurredAt: new Date().toISOString() };
        // The rows that the aggregate's own tables get with the event; `append` has just written them.
        notes.changes.push(...aggregate.tables(stored as Parameters<typeof aggregate.tables>[0], id));
      }
      return appended;
    },
    change: async (changes) => {
      await tx.change(changes);
      notes.changes.push(...changes);
    },
  };
}
