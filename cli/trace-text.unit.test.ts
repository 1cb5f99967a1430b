import { describe, expect, it } from 'vitest';
import type { EventRecord } from '../core/envelope.ts';
import type { Json } from '../core/json.ts';
import { envelopeHeaders, eventId } from '../core/envelope.ts';
import { offset } from '../core/offset.ts';
import { pipeline } from '../pipeline.ts';
import type { ExpectedStep } from '../runtime/flows/flow.ts';
import { expectedSteps } from '../runtime/flows/flow.ts';
import type { SetAside } from '../runtime/flows/set-aside.ts';
import type { Trace } from '../runtime/flows/trace-flows.ts';
import type { Whereabouts } from '../runtime/flows/whereabouts.ts';
import type { FlowRow } from '../runtime/postgres/flow-table.ts';
import type { ParkedOfFlow } from '../runtime/postgres/parked-of-flow.ts';
import { imageRegistered, scanCompleted } from '../schemas/catalogue.ts';
import { arrived } from '../test/support/arrived.ts';
import { consumedRecord } from '../test/support/consumed-record.ts';
import { letterOf } from '../test/support/letters.ts';
import type { Listing } from './flows-command.ts';
import { flowsJson, flowsText, NONE_UNSEEN } from './flows-command.ts';
import { betweenMs, durationText, isEmpty, traceJson, traceText } from './trace-text.ts';

const ID = eventId('0e000000-0000-4000-8000-000000000001');
const NEXT = eventId('0e000000-0000-4000-8000-000000000002');
const registered = arrived(
  imageRegistered,
  { image_id: 'i1', user_id: 'somebody', cdn_url: `https://cdn.example/${'x'.repeat(400)}` },
  { id: ID, streamId: 'i1\u001b[2J', occurredAt: '2026-03-01T09:00:00.000001Z' },
);
const completed = arrived(
  scanCompleted,
  { scan_id: 's1', user_id: 'somebody', category: 'paper', reward_eligible: true, image_id: 'i1' },
  { id: NEXT, streamId: 's1', occurredAt: '2026-03-01T09:00:00.030001Z', causationId: ID, correlationId: ID },
);
const row: FlowRow = {
  saga: 'scan-to-reward',
  flow_id: ID,
  trace_id: registered.traceId,
  began_with: ID,
  began_domain: 'image',
  began_at: registered.occurredAt,
  deadline_at: '2026-03-01T09:15:00.000001Z',
  status: 'overdue',
  ended_as: null,
  ended_at: null,
  waits_for: [{ group: 'processor.character', event_id: NEXT, event_type: 'ScanCompleted', where: 'ahead', detail: 'it is ahead' }],
  action: null,
  acted_at: null,
  looks: 3,
  looked_at: '2026-03-01T09:16:00.000001Z',
  next_look_at: '2026-03-01T09:17:00.000001Z',
};

const T0 = Date.parse('2026-03-01T09:00:00Z');
const NOTHING: SetAside = { parked: [], letters: [], decisions: [] };
const completedRecord = { ...consumedRecord({ at: 5, topic: 'events.scan.completed' }), headers: envelopeHeaders(completed, '') };

function parked(group: string, more: Partial<ParkedOfFlow>): ParkedOfFlow {
  return {
    ...{ group, topic: 'events.scan.completed', partition: 3, offset: offset(17n), eventId: NEXT, type: 'ScanCompleted' },
    ...{ traceId: completed.traceId, attempts: 2, dueAt: '2026-03-01T09:02:00.000001Z', isFirst: false, blockedSince: undefined },
    ...{ errorCode: 'HANDLER_FAILED', parkedAt: '2026-03-01T09:00:10.000001Z', ...more },
  };
}

function trace(): Trace {
  const events: readonly EventRecord[] = [registered, completed];
  const done = {
    startedAt: '2026-03-01T09:00:00.020001Z',
    endedAt: '2026-03-01T09:00:00.031001Z',
    status: 'done',
    result: { secret: 'kept' },
  };
  const steps: ExpectedStep[] = expectedSteps(pipeline, events).map((step) => ({
    ...step,
    done: step.event === registered ? done : undefined,
    unread: false,
  }));
  const where: Whereabouts = {
    kind: 'parked',
    at: { topic: 'events.scan.completed', partition: 3, offset: offset(17n) },
    ...{ attempt: 2, dueAt: '2026-03-01T09:02:00.000001Z', blocked: false, errorCode: 'HANDLER_FAILED' },
  };
  const waiting = new Map(steps.filter((step) => step.done === undefined).map((step) => [step, where]));
  const at = { topic: 'events.scan.completed', partition: 3, offset: offset(17n) };
  const decision = {
    action: 'parked-retry',
    actor: 'olga',
    group: 'processor.character',
    eventId: NEXT,
    at: '2026-03-01T09:00:20.000001Z',
  } as const;
  const aside: SetAside = {
    decisions: [decision],
    parked: [parked('projection.scan-history.v1', { isFirst: true }), parked('processor.character', { isFirst: true })],
    letters: [
      {
        letter: letterOf({ at: 17, record: completedRecord, writtenAtMs: T0 + 12_000 }),
        group: 'projection.scan-history.v1',
        state: 'open',
      },
    ],
  };
  const topics = new Map([[NEXT, { at, projections: [{ group: 'projection.scan-history.v1', passed: true }] }]]);
  return {
    flows: [{ flow: { id: ID, events, steps, gaps: [], aggregateTypes: new Map([[ID, 'picture']]) }, rows: [row], waiting, topics, aside }],
    otherRecords: NOTHING,
    gaps: ['the database of my could not be read'],
    limits: [],
  };
}
const shown = { payloads: false, groupOf: (domain: string) => `processor.${domain}` };

describe('the timeline of a flow', () => {
  it('is a tree by causation, with who waits and what could not be looked at', () => {
    expect(traceText(trace(), shown).split('\n')).toEqual([
      `flow ${ID}`,
      `trace ${registered.traceId}, began ${registered.occurredAt}`,
      'scan-to-reward: overdue when it was looked at, 2026-03-01T09:16:00.000001Z',
      `     +0 ms  ImageRegistered  picture i1?[2J version 1  event ${ID}`,
      '    +31 ms    processor.image: done 31 ms after the event, of which 11 ms at work',
      '    +31 ms    processor.scan: done 31 ms after the event, of which 11 ms at work',
      `    +30 ms      ScanCompleted  scan s1 version 1  event ${NEXT}  at events.scan.completed/3@17`,
      '                  projection.scan-history.v1: read',
      '   +12.0 s        projection.scan-history.v1: DEAD LETTER events.happened.processor.scan.dlt/0/17, open, 12.0 s after the event, after 4 attempts (DECISION_FAILED)',
      '   +10.0 s        projection.scan-history.v1: PARKED events.scan.completed/3@17, attempt 3 at 2026-03-01T09:02:00.000001Z (HANDLER_FAILED)',
      '   +10.0 s        processor.character: PARKED events.scan.completed/3@17, attempt 3 at 2026-03-01T09:02:00.000001Z (HANDLER_FAILED)',
      '   +20.0 s        processor.character: parked record retried by olga',
      '                  processor.character: WAITS: its record events.scan.completed/3@17 is parked after 2 attempts, due 2026-03-01T09:02:00.000001Z (HANDLER_FAILED)',
      '',
      'not looked at: the database of my could not be read',
    ]);
  });

  it('shows parked records and letters that say the id although no event store that answered has their event', () => {
    const otherRecords: SetAside = {
      decisions: [{ action: 'discarded', actor: 'ann', group: 'processor.my', eventId: NEXT, at: '2026-03-01T11:00:00Z' }],
      parked: [parked('processor.my', { isFirst: false }), parked('processor.my', { isFirst: true, blockedSince: '2026-03-01T10:00:00Z' })],
      letters: [{ letter: letterOf({ at: 3 }), group: 'processor.scan', state: undefined }],
    };
    expect(
      traceText(
        { flows: [], otherRecords, gaps: ['the database of scan could not be read (POSTGRES_UNAVAILABLE)'], limits: [] },
        shown,
      ).split('\n'),
    ).toEqual([
      'records that say this id, of events that are in no flow that was read',
      `  ScanCompleted  event ${NEXT}  processor.my: PARKED events.scan.completed/3@17, behind another one of its key (HANDLER_FAILED)`,
      `  ScanCompleted  event ${NEXT}  processor.my: PARKED events.scan.completed/3@17, its key waits for a person since 2026-03-01T10:00:00Z (HANDLER_FAILED)`,
      '  Happened  event 00000000-0000-4000-8000-000000000003  processor.scan: DEAD LETTER events.happened.processor.scan.dlt/0/3, state unknown, after 4 attempts (DECISION_FAILED)',
      `  2026-03-01T11:00:00Z  event ${NEXT}  processor.my: letter discarded by ann`,
      '',
      'not looked at: the database of scan could not be read (POSTGRES_UNAVAILABLE)',
    ]);
    expect(isEmpty({ flows: [], otherRecords, gaps: [], limits: [] })).toBe(false);
    expect(isEmpty({ flows: [], otherRecords: NOTHING, gaps: ['away'], limits: [] })).toBe(true);
  });

  it('shows payloads and results only when asked (I13)', () => {
    for (const text of [traceText(trace(), shown), traceJson(trace(), shown)]) expect(text).not.toMatch(/somebody|kept|cdn\.example/);
    const open = { ...shown, payloads: true };
    expect(traceText(trace(), open)).toMatch(/"user_id":"somebody".*…\n/);
    expect(traceJson(trace(), open)).toContain('"result":{"secret":"kept"}');
  });

  it('is one JSON object for programs', () => {
    const json = JSON.parse(traceJson(trace(), shown)) as { readonly flows: readonly { readonly events: readonly unknown[] }[] };
    expect(json).toMatchObject({
      not_looked_at: ['the database of my could not be read'],
      flows: [
        {
          flow_id: ID,
          sagas: [{ status: 'overdue' }],
          parked: [{ group: 'projection.scan-history.v1', attempts: 2, offset: 17 }, { group: 'processor.character' }],
          dead_letters: [
            { letter: 'events.happened.processor.scan.dlt/0/17', state: 'open', event_id: NEXT, error_code: 'DECISION_FAILED' },
          ],
        },
      ],
    });
    expect(json.flows[0]?.events[1]).toEqual({
      event_id: NEXT,
      type: 'ScanCompleted',
      domain: 'scan',
      aggregate_type: 'scan',
      stream_id: 's1',
      version: 1,
      occurred_at: completed.occurredAt,
      causation_id: ID,
      position: {
        topic: 'events.scan.completed',
        partition: 3,
        offset: 17,
        projections: [{ group: 'projection.scan-history.v1', passed: true }],
      },
      steps: [expect.objectContaining({ group: 'processor.character', status: 'waiting', where: 'parked' })],
    });
  });

  it('tells a step that was decided without its call from one that is simply done', () => {
    const { flows } = trace();
    const ended = (result: Json): Trace => {
      const steps = flows[0]!.flow.steps.map((step) => ({ ...step, done: step.done && { ...step.done, result } }));
      return { flows: [{ ...flows[0]!, flow: { ...flows[0]!.flow, steps } }], otherRecords: NOTHING, gaps: [], limits: [] };
    };
    for (const result of [{ outcome: 'rejected' }, { status: 'rejected' }]) {
      expect(traceText(ended(result), shown)).toContain(
        'processor.scan: done without an answer to its call (classify), 31 ms after the event',
      );
      expect(traceJson(ended(result), shown)).toContain('"call_failed":"classify"');
    }
    for (const result of [null, 'rejected', [], { outcome: 'classified' }])
      expect(traceText(ended(result), shown)).not.toContain('without');
  });

  it('takes no step for missing whose inbox could not be read', () => {
    const { flows } = trace();
    const steps = flows[0]!.flow.steps.map((step) => ({ ...step, unread: step.done === undefined }));
    const unread: Trace = { flows: [{ ...flows[0]!, flow: { ...flows[0]!.flow, steps } }], otherRecords: NOTHING, gaps: [], limits: [] };
    expect(traceText(unread, shown)).toContain('processor.character: not known, its inbox could not be read');
    expect(traceText(unread, shown)).not.toContain('WAITS');
    expect(traceJson(unread, shown)).toContain('"status":"unknown"');
  });

  it('ends although two events name each other as their cause', () => {
    const { flows } = trace();
    const circle = [{ ...registered, causationId: NEXT }, completed];
    const circular = [{ ...flows[0]!, aside: NOTHING, flow: { ...flows[0]!.flow, events: circle } }];
    const text = traceText({ flows: circular, otherRecords: NOTHING, gaps: [], limits: [] }, shown);
    expect(text).toContain(`event ${ID}`);
    expect(text.match(/event 0e000000/g)).toHaveLength(2);
  });

  it('measures to the microsecond and prints what a person can read', () => {
    expect(betweenMs('2026-03-01T09:00:00.000001Z', '2026-03-01T09:00:01.000501Z')).toBe(1_000.5);
    expect([0.4, 999, 1_234, 90_000, 5_400_000].map(durationText)).toEqual(['0 ms', '999 ms', '1.2 s', '1.5 min', '1.5 h']);
  });
});

describe('the list of flows', () => {
  const listing = (more: Partial<Listing>): Listing => ({ rows: [], unseen: NONE_UNSEEN, overdue: [], ...more });
  const unseen = {
    saga: 'scan-to-reward',
    domain: 'image',
    flowId: ID,
    eventId: ID,
    traceId: undefined,
    type: 'ImageRegistered',
    at: row.began_at,
  };

  it('is a line per flow, and one per step that an overdue one waits for', () => {
    expect(flowsText(listing({ rows: [row] }), true).split('\n')).toEqual([
      `2026-03-01T09:00:00.000001Z  flow ${ID}  scan-to-reward: overdue when it was looked at, 2026-03-01T09:16:00.000001Z`,
      '    processor.character waits for ScanCompleted: it is ahead',
    ]);
    const ended = { ...row, status: 'ended' as const, ended_as: 'granted', ended_at: '2026-03-01T09:00:01.200001Z', waits_for: [] };
    expect(flowsText(listing({ rows: [ended] }), false)).toMatch(/scan-to-reward: ended as granted after 1\.2 s$/);
    expect([flowsText(listing({}), true), flowsText(listing({}), false)]).toEqual([
      'no flow is overdue',
      'no flow has begun within a day, and none is remembered',
    ]);
  });

  it('shows what began since the sweep looked, and when it will be seen, or that nobody sweeps', () => {
    const fresh = listing({
      unseen: { flows: [unseen], isSweepLate: false, gaps: ['the database of scan could not be read (HANDLER_TIMEOUT)'] },
    });
    expect(flowsText(fresh, false).split('\n')).toEqual([
      `2026-03-01T09:00:00.000001Z  flow ${ID}  scan-to-reward: began with ImageRegistered, not seen by the sweep yet`,
      'the sweep takes a flow in 2 to 3 minutes after its beginning',
      'not looked at: the database of scan could not be read (HANDLER_TIMEOUT)',
    ]);
    expect(flowsText(listing({ unseen: { flows: [unseen], isSweepLate: true, gaps: [] } }), false)).toContain(
      'does a process run the role `flows`?',
    );
    expect(JSON.parse(flowsJson(fresh)[0]!)).toMatchObject({ flow_id: ID, status: 'unseen', trace_id: null, began_domain: 'image' });
  });

  it('says how many are overdue when the newest ones do not show them', () => {
    const overdue = [{ saga: 'scan-to-reward', overdue: 1, oldest: row.began_at }];
    expect(flowsText(listing({ overdue }), false)).toContain('1 flow overdue in all: `millrace flows --overdue` lists them with who waits');
  });
});
