import { describe, expect, it } from 'vitest';
import type { FlowRow } from '../postgres/flow-table.ts';
import type { LogLine } from '../../test/support/api-harness.ts';
import { captureLogger } from '../../test/support/api-harness.ts';
import { FlowReport } from './flow-report.ts';

const waits = { group: 'processor.scan', event_id: 'e1', event_type: 'ImageRegistered', where: 'ahead', detail: 'it is 3 records ahead' };
const row: FlowRow = {
  saga: 'scan-to-reward',
  flow_id: 'f1',
  trace_id: '0af7651916cd43dd8448eb211c80319c',
  began_with: 'e1',
  began_domain: 'image',
  began_at: '2026-03-01T09:00:00.000001Z',
  deadline_at: '2026-03-01T09:15:00.000001Z',
  status: 'overdue',
  ended_as: null,
  ended_at: null,
  waits_for: [waits],
  action: null,
  acted_at: null,
  looks: 1,
  looked_at: '2026-03-01T09:16:00.000001Z',
  next_look_at: '2026-03-01T09:17:00.000001Z',
};

describe('the report of a pass', () => {
  it('says of a flow that it is overdue and who waits, and says it again only when that has changed', () => {
    const lines: LogLine[] = [];
    const report = new FlowReport(captureLogger(lines));
    report.looked({ ...row, status: 'running' }, row);
    report.looked(row, { ...row, waits_for: [{ ...waits, detail: 'it is 2 records ahead' }] });
    expect(lines).toMatchObject([
      {
        level: 'warn',
        saga: 'scan-to-reward',
        'flow.id': 'f1',
        'trace.id': row.trace_id,
        waits: 'processor.scan ImageRegistered ahead',
        message: 'a flow is overdue: processor.scan waits for ImageRegistered, it is 3 records ahead',
      },
    ]);
    report.looked(row, { ...row, waits_for: [{ ...waits, where: 'parked', detail: 'it is parked' }] });
    expect(lines.at(-1)?.message).toBe('a flow is overdue: processor.scan waits for ImageRegistered, it is parked');
    report.looked(row, { ...row, status: 'ended', ended_as: 'failed', ended_at: row.looked_at, waits_for: [], next_look_at: null });
    expect(lines.at(-1)).toMatchObject({ level: 'info', end: 'failed', message: 'an overdue flow has ended' });
    expect(lines).toHaveLength(3);
  });

  it('says when every step was made and no end came', () => {
    const lines: LogLine[] = [];
    new FlowReport(captureLogger(lines)).looked({ ...row, status: 'running' }, { ...row, waits_for: [] });
    expect(lines[0]?.message).toBe('a flow is overdue: every step was made, and none of its ends came');
  });

  it('does not fill the log when an outage makes thousands of flows late', () => {
    const lines: LogLine[] = [];
    const report = new FlowReport(captureLogger(lines));
    for (let flow = 0; flow < 1_000; flow += 1) report.looked({ ...row, status: 'running' }, { ...row, flow_id: `f${flow}` });
    report.close();
    report.close();
    expect(lines).toHaveLength(51);
    expect(lines.at(-1)).toMatchObject({ flows: 950, message: 'more flows are overdue: `millrace flows --overdue` lists them' });
  });
});
