import type { Clock } from '../../../core/clock.ts';
import { ClassifiedError } from '../../../core/errors.ts';
import { stateVersion } from '../aggregate-loader.ts';
import { eventJson } from '../append-statement.ts';
import type { Session } from '../database.ts';
import { eventMetadata, tracingSpanContext } from '../event-rows.ts';
import type { ChangeShape } from '../state-change-sql.ts';
import type { DecidedStep } from './decide-step.ts';
import type { Fate } from './write-statement.ts';
import { writeStatement } from './write-statement.ts';

export interface WriteSettings {
  readonly schema: string;
  readonly domain: string;
  readonly inboxRetentionDays: number;
  readonly clock: Clock;
}

/**
 * Writes the steps in one statement and tells how each fared, in their order. No two of them may share a key, a stream or a
 * row of a state table. When it rejects, nothing of any step is written, except that a lost connection leaves it unknown.
 */
export async function writeSteps(session: Session, settings: WriteSettings, steps: readonly DecidedStep[]): Promise<readonly Fate[]> {
  const events = steps.flatMap(({ rows }, n) => rows.map((row) => eventJson(row, n)));
  const snapshots = steps.flatMap(({ snapshot, step }, n) =>
    snapshot === undefined
      ? []
      : [`{"n":${n},"version":${snapshot.version},"state":${snapshot.state},"state_version":${stateVersion(step.aggregate)}}`],
  );
  const changes = changesByShape(steps);
  const shape = { events: events.length > 0, snapshots: snapshots.length > 0, changes: changes.map((each) => each.shape) };
  const values = [
    JSON.stringify(steps.map((step, n) => stepRow(step, n, settings.clock))),
    settings.domain,
    settings.inboxRetentionDays,
    ...(shape.events ? [`[${events.join(',')}]`] : []),
    ...(shape.snapshots ? [`[${snapshots.join(',')}]`] : []),
    ...changes.map(({ rows }) => JSON.stringify(rows)),
  ];
  const fates = await session.prepared<Fate>(writeStatement(settings.schema, shape), values);
  const byStep = new Map(fates.map((fate) => [fate.n, fate]));
  return steps.map((_, n) => {
    const fate = byStep.get(n);
    if (fate === undefined) throw new ClassifiedError('UNCLASSIFIED', 'the write statement said nothing of a step');
    return fate;
  });
}

function stepRow({ step, basis, decision, rows }: DecidedStep, n: number, clock: Clock): object {
  const metadata = eventMetadata(step.cause);
  return {
    n,
    key: step.idempotencyKey,
    name: step.name,
    metadata,
    elapsed_ms: clock.monotonicMs() - step.startedMs,
    status: decision.step?.status ?? 'done',
    compensation: decision.step?.compensation,
    result: decision.result,
    stream_type: step.aggregate.type,
    stream_id: step.aggregateId,
    version: basis.version.toString(),
    read_at: basis.readAt,
    tracingspancontext: rows.length === 0 ? undefined : tracingSpanContext(metadata),
  };
}

interface ChangesOfShape {
  readonly shape: ChangeShape;
  readonly rows: { readonly n: number; readonly r: object }[];
}

/** Sorted by table, and then by whatever tells the shapes apart. */
function changesByShape(steps: readonly DecidedStep[]): readonly ChangesOfShape[] {
  const byName = new Map<string, ChangesOfShape>();
  for (const [n, { changes }] of steps.entries()) {
    for (const { shape, shapeName, row } of changes) {
      const known = byName.get(shapeName);
      if (known === undefined) byName.set(shapeName, { shape, rows: [{ n, r: row }] });
      else known.rows.push({ n, r: row });
    }
  }
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, changes]) => changes);
}
