import type { StoredEvent } from '../../../core/define.ts';
import type { ClassifiedError } from '../../../core/errors.ts';
import { classified } from '../../../core/errors.ts';
import type { Step } from '../../../core/step.ts';
import type { AggregateRead } from '../aggregate-loader.ts';
import { decided, fold, stateVersion } from '../aggregate-loader.ts';
import type { Session } from '../database.ts';
import type { FoundRow, WantedStep } from './read-statement.ts';
import { readStatement } from './read-statement.ts';

/** What a step decides upon; `repeated` when its key is taken; or why its stream cannot be folded. */
export type Basis = AggregateRead<unknown> | 'repeated' | ClassifiedError;

/** One for each step, in their order. Rejects as the session does. */
export async function readSteps(session: Session, schema: string, steps: readonly Step[]): Promise<readonly Basis[]> {
  const wanted = steps.map((step, n): WantedStep => ({
    n,
    key: step.idempotencyKey,
    type: step.aggregate.type,
    id: step.aggregateId,
    shape: stateVersion(step.aggregate),
  }));
  const rows = await session.prepared<FoundRow>(readStatement(schema), [JSON.stringify(wanted)]);
  const found = new Map<number, FoundRow[]>();
  for (const row of rows) {
    const ofStep = found.get(row.n);
    if (ofStep === undefined) found.set(row.n, [row]);
    else ofStep.push(row);
  }
  return steps.map((step, n) => basisOf(step, found.get(n)));
}

function basisOf(step: Step, rows: readonly FoundRow[] | undefined): Basis {
  const [head, ...events] = rows ?? [];
  if (head === undefined) return 'repeated';
  try {
    const state = head.sequence_number === 0n ? decided(() => step.aggregate.initial(step.aggregateId)) : head.payload;
    const folded = fold(step.aggregate, { state, version: head.sequence_number }, events.map(storedEvent));
    return { ...folded, readAt: head.read_at };
  } catch (error) {
    return classified(error, 'STATE_INVALID', 'the stream cannot be folded');
  }
}

function storedEvent(row: FoundRow): StoredEvent {
  return { type: row.event_type ?? '', payload: row.payload, version: row.sequence_number, occurredAt: row.created_at };
}
