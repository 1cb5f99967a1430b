import { describe, expect, it } from 'vitest';
import { definePipeline } from '../../core/define-pipeline.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { chat } from '../../processors/chat/chat.ts';
import { chatAnswer } from '../../processors/sagas/chat-answer.ts';
import { CATALOGUE } from '../../schemas/catalogue.ts';
import type { Session } from '../postgres/database.ts';
import type { Verdict } from './flow.ts';
import { judgeFlow } from './flow.ts';
import { loadFlows } from './load-flows.ts';

const FLOW = '0e000000-0000-4000-8000-000000000001';
const ids = { session_id: '5e000000-0000-4000-8000-000000000001', user_id: 'ada' };
const stored = (at: number, event_type: string, payload: object) => ({
  flow_id: FLOW,
  event_id: `0e000000-0000-4000-8000-00000000000${at}`,
  aggregate_type: 'conversation',
  aggregate_id: ids.session_id,
  sequence_number: BigInt(at),
  event_type,
  payload: { ...ids, ...payload },
  metadata: { correlation_id: FLOW },
  created_at: `2026-03-01T09:00:0${at}.000000Z`,
});
const POSTED = stored(1, 'MessagePosted', { message_id: 'm1', text: 'Where to?', image_url: null });
const RESPONDED = stored(2, 'ChatResponded', { message_id: 'm2', reply_to: 'm1', text: 'The blue bin.', failure_reason: null });
const ANSWER = {
  idempotency_key: 'chat:answer:m1',
  started_at: POSTED.created_at,
  processed_at: RESPONDED.created_at,
  status: 'done',
  result: { outcome: 'answered' },
};

/** How the flow of a message stands whose answer, step and event in one commit, comes before the statement of that number; others fail. */
async function judged(answeredBefore: number, failing: readonly number[] = []): Promise<{ verdict: Verdict; statements: number }> {
  let statements = 0;
  const query = async (sql: string): Promise<readonly object[]> => {
    const number = statements;
    statements += 1;
    if (failing.includes(number)) throw new ClassifiedError('HANDLER_TIMEOUT', 'locked');
    const isAnswered = number >= answeredBefore;
    if (sql.includes('processed_events')) return isAnswered ? [ANSWER] : [];
    return isAnswered ? [POSTED, RESPONDED] : [POSTED];
  };
  const flows = await loadFlows(
    {
      pipeline: definePipeline({ domains: [chat], projections: [], sagas: [chatAnswer] }),
      catalogue: CATALOGUE,
      database: () => ({ query }) as unknown as Session,
      eventsMax: 10,
    },
    [FLOW],
  );
  const at = { deadlineAt: '2026-03-01T09:15:00.000000Z', now: '2026-03-01T09:01:00.000000Z' };
  return { verdict: judgeFlow(chatAnswer, flows.get(FLOW)!, at), statements };
}

describe('a flow whose step is committed while it is read', () => {
  it('is running or has the end that the event of the step is, and never one for which that event must not be there', async () => {
    const last = (await judged(0)).statements;
    const ends: unknown[] = [];
    for (let before = 0; before <= last; before += 1) {
      const { verdict } = await judged(before);
      ends.push(verdict.status === 'ended' ? verdict.end : verdict.status);
    }
    expect(ends).toEqual(['answered', 'answered', 'running', 'running']);
  });

  it('is not judged by a step whose events could not be read', async () => {
    for (const failing of [[0, 2], [2]]) expect((await judged(1, failing)).verdict.status).toBe('running');
  });
});
