import type { OverdueStep } from '../../core/define.ts';
import type { LogFields, Logger } from '../../core/log.ts';
import type { FlowRow } from '../postgres/flow-table.ts';
import type { ExpectedStep } from './flow.ts';
import type { Settlement } from './settle-step.ts';

/** Lines of one pass: an outage makes thousands of flows late, and each is in the table. */
const LINES_MAX = 50;

/** Says in the log what a pass found: a flow that became overdue, or waits for something else than before, and what was done. */
export class FlowReport {
  private readonly logger: Logger;
  private lines = 0;
  private unsaid = 0;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  looked(before: FlowRow, after: FlowRow): void {
    if (after.status !== 'overdue') {
      if (before.status === 'overdue' && after.ended_as !== null) {
        this.logger.info({ ...fieldsOf(after), end: after.ended_as }, 'an overdue flow has ended');
      }
      return;
    }
    if (before.status === 'overdue' && whoWaits(before) === whoWaits(after)) return;
    this.lines += 1;
    if (this.lines > LINES_MAX) {
      this.unsaid += 1;
      return;
    }
    this.logger.warn({ ...fieldsOf(after), waits: whoWaits(after) }, `a flow is overdue: ${sentences(after)}`);
  }

  settled(row: FlowRow, { domain, event }: ExpectedStep, action: OverdueStep['action'], settlement: Settlement): void {
    const fields = { ...fieldsOf(row), domain, 'event.id': event.id, 'event.type': event.type, action };
    switch (settlement.kind) {
      case 'settled':
        this.logger.warn(fields, action === 'finish' ? 'finished an overdue flow' : 'compensated an overdue flow');
        return;
      case 'came-by-itself':
        this.logger.info(fields, 'the step came by itself: nothing was decided in its place');
        return;
      case 'failed':
        this.logger.error(
          { ...fields, 'error.code': settlement.error.code },
          'nothing could be decided in place of a step',
          settlement.error,
        );
    }
  }

  /** What the limit kept from being said. */
  close(): void {
    if (this.unsaid > 0) this.logger.warn({ flows: this.unsaid }, 'more flows are overdue: `millrace flows --overdue` lists them');
    this.unsaid = 0;
  }
}

function fieldsOf({ saga, flow_id, trace_id }: FlowRow): LogFields {
  return { saga, 'flow.id': flow_id, 'trace.id': trace_id };
}

/** Who waits for what and where: without what changes while it waits, such as the time of the next attempt. */
function whoWaits({ waits_for }: FlowRow): string {
  return waits_for.map(({ group, event_type, where }) => `${group} ${event_type} ${where}`).join(', ');
}

function sentences({ waits_for }: FlowRow): string {
  if (waits_for.length === 0) return 'every step was made, and none of its ends came';
  return waits_for.map(({ group, event_type, detail }) => `${group} waits for ${event_type}, ${detail}`).join('; ');
}
