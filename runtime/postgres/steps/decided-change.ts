import type { StateChange } from '../../../core/define.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { ChangeShape } from '../state-change-sql.ts';
import { rowOf, shapeOf } from '../state-change-sql.ts';
import { rowName } from './merge-changes.ts';

/** A change with what is asked of it again and again until it is written. */
export interface DecidedChange {
  readonly shape: ChangeShape;
  /** The same for equal shapes; begins with the table. */
  readonly shapeName: string;
  readonly row: JsonObject;
  /** The same for changes that may mean one row, as far as they name rows of the table by the same columns. */
  readonly rowName: string;
}

/** Undefined when there is nothing to set. @throws ClassifiedError DECISION_FAILED for a table that is none of the domain's. */
export function decidedChange(change: StateChange): DecidedChange | undefined {
  const shape = shapeOf(change);
  if (shape === undefined) return undefined;
  const shapeName = [shape.table, shape.op, shape.keys.join(','), shape.columns.join(',')].join(' ');
  return { shape, shapeName, row: rowOf(change), rowName: rowName(change) };
}
