import type { Decision } from '../../../core/define.ts';
import type { Logger } from '../../../core/log.ts';
import type { Step } from '../../../core/step.ts';
import type { AggregateRead } from '../aggregate-loader.ts';
import { decided, fold } from '../aggregate-loader.ts';
import type { EventRow } from '../append-statement.ts';
import type { AppendSettings } from '../prepare-append.ts';
import { isSnapshotDue, prepareAppend, snapshotJson } from '../prepare-append.ts';
import type { DecidedChange } from './decided-change.ts';
import { decidedChange } from './decided-change.ts';
import { mergeChanges } from './merge-changes.ts';

/** A step with all that it will write. Nothing of it has been written. */
export interface DecidedStep {
  readonly step: Step;
  readonly basis: AggregateRead<unknown>;
  readonly decision: Decision;
  readonly rows: readonly EventRow[];
  readonly changes: readonly DecidedChange[];
  readonly snapshot: { readonly version: bigint; readonly state: string } | undefined;
}

export interface DecideSettings extends AppendSettings {
  readonly logger: Logger;
  readonly snapshotEvery: number;
}

/**
 * Decides, and checks what was decided. Undefined for a step that one statement cannot write, because the order of its
 * changes matters.
 * @throws ClassifiedError DECISION_FAILED, EVENT_UNKNOWN, PAYLOAD_INVALID, RECORD_TOO_LARGE, or what the decision threw classified.
 */
export function decideStep(settings: DecideSettings, step: Step, basis: AggregateRead<unknown>): DecidedStep | undefined {
  const decision = decided(() => step.decide(basis.state, []));
  const { aggregate, aggregateId: id } = step;
  const { rows, stored, changes } = prepareAppend(settings, { aggregate, id, version: basis.version }, decision.events, basis.readAt);
  const merged = mergeChanges([...changes, ...(decision.changes ?? [])]);
  if (merged === undefined) return undefined;
  const version = basis.version + BigInt(rows.length);
  const due = isSnapshotDue(settings.snapshotEvery, basis.version, version);
  const state = due ? snapshotJson(aggregate.type, fold(aggregate, basis, stored).state, settings.logger) : undefined;
  return {
    step,
    basis,
    decision,
    rows,
    changes: merged.flatMap((change) => decidedChange(change) ?? []),
    snapshot: state === undefined ? undefined : { version, state },
  };
}
