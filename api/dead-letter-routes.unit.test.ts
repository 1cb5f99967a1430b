import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApiHarness } from '../test/support/api-harness.ts';
import { apiHarness } from '../test/support/api-harness.ts';
import type { ReprocessRequest } from './ports.ts';

const QUEUE = 'events.scan.requested.processor.scan.dlt';
const reprocess = (payload: object) => ({ method: 'POST', url: '/api/v1/admin/dlq/reprocess', payload }) as const;

describe('dead letters over HTTP', () => {
  let api: ApiHarness;
  const operator = (request: Parameters<ApiHarness['as']>[1]) => api.as('olga', request, ['operator']);

  beforeEach(() => {
    api = apiHarness();
    api.ports.letters.set(QUEUE, { CALL_FAILED: 12, DECISION_FAILED: 3 });
    api.ports.letters.set('capture.scan.dlt', { EVENT_UNROUTABLE: 1 });
  });
  afterEach(() => api.app.close());

  it('are reprocessed for an operator: ten when nothing is said, and the audit gets the subject of the token', async () => {
    const answer = await operator(reprocess({ queue: QUEUE }));
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({ reprocessed: 10 });
    expect(api.ports.reprocessed).toMatchObject([
      { queue: QUEUE, count: 10, errorCode: undefined, actor: 'olga', idempotencyKey: undefined },
    ]);
  });

  it('are reprocessed by count and reason', async () => {
    const answer = await operator(reprocess({ queue: QUEUE, count: 50, filter_reason: 'DECISION_FAILED' }));
    expect(answer.json()).toEqual({ reprocessed: 3 });
    expect(api.ports.reprocessed).toMatchObject([{ count: 50, errorCode: 'DECISION_FAILED' }]);
  });

  it('are reprocessed once for an idempotency key: the same body gets the first answer, another one is refused', async () => {
    const withKey = (payload: object, key = 'k-1') => operator({ ...reprocess(payload), headers: { 'idempotency-key': key } });
    const first = await withKey({ queue: QUEUE, count: 2 });
    expect([first.statusCode, first.json(), first.headers['idempotency-replayed']]).toEqual([200, { reprocessed: 2 }, undefined]);
    const again = await withKey({ count: 2, queue: QUEUE });
    expect([again.statusCode, again.json(), again.headers['idempotency-replayed']]).toEqual([200, { reprocessed: 2 }, 'true']);
    expect(api.ports.reprocessed).toHaveLength(1);
    expect((await withKey({ queue: QUEUE, count: 3 })).statusCode).toBe(422);
    expect((await withKey({ queue: QUEUE, count: 3 }, 'k-2')).json()).toEqual({ reprocessed: 3 });
    expect((await withKey({ queue: QUEUE }, 'no spaces')).statusCode).toBe(400);

    const [{ idempotencyKey, requestHash }] = api.ports.reprocessed as [ReprocessRequest];
    expect(idempotencyKey).toContain(':olga:k-1');
    api.ports.operatorRequests.set(idempotencyKey!, { requestHash, letters: undefined });
    const early = await withKey({ queue: QUEUE, count: 2 });
    expect([early.statusCode, early.json()]).toMatchObject([409, { reason: 'request_in_progress' }]);
  });

  it('are nothing for a user without the permission, and for nobody', async () => {
    for (const request of [reprocess({ queue: QUEUE }), { method: 'GET', url: '/api/v1/admin/dlq' } as const]) {
      expect((await api.as('ada', request)).statusCode).toBe(403);
      expect((await api.as('ada', request, ['support'])).statusCode).toBe(403);
      expect((await api.app.inject(request)).statusCode).toBe(401);
    }
    expect(api.ports.reprocessed).toEqual([]);
  });

  it('of an unknown queue are not found, and those of a capture are refused', async () => {
    const unknown = await operator(reprocess({ queue: 'events.nothing.dlt' }));
    expect(unknown.statusCode).toBe(404);
    expect(unknown.json()).toMatchObject({ detail: expect.stringContaining('GET /api/v1/admin/dlq ') });
    const answer = await operator(reprocess({ queue: 'capture.scan.dlt' }));
    expect(answer.statusCode).toBe(409);
    expect(answer.json()).toMatchObject({ reason: 'capture_letters_are_not_replayed' });
  });

  it('that are too many for a request are refused, with what to do instead', async () => {
    api.ports.letters.set('events.full.dlt', { CALL_FAILED: 100_001 });
    const answer = await operator(reprocess({ queue: 'events.full.dlt' }));
    api.ports.letters.delete('events.full.dlt');
    expect(answer.statusCode).toBe(409);
    expect(answer.json()).toMatchObject({ reason: 'too_many_letters', detail: expect.stringContaining('millrace dlt replay') });
  });

  it('are not reprocessed by a request that is not valid', async () => {
    for (const body of [
      {},
      { queue: '' },
      { queue: QUEUE, count: 0 },
      { queue: QUEUE, count: 1_001 },
      { queue: QUEUE, filter_reason: 'x y' },
      { queue: QUEUE, all: true },
    ]) {
      expect((await operator(reprocess(body))).statusCode).toBe(400);
    }
    expect(api.ports.reprocessed).toEqual([]);
  });

  it('of a reason that no letter can have are not looked for: the answer names the reasons that there are', async () => {
    for (const filter_reason of ['CALL_FAILD', 'call_failed', 'KAFKA_UNAVAILABLE']) {
      const answer = await operator(reprocess({ queue: QUEUE, filter_reason }));
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toMatchObject({
        errors: [
          { field: 'filter_reason', message: expect.stringMatching(/^must be one of .*CALL_FAILED, HANDLER_TIMEOUT, .*UNCLASSIFIED/) },
        ],
      });
      expect(answer.body).not.toContain('_UNAVAILABLE');
    }
    expect(api.ports.reprocessed).toEqual([]);
  });

  it('are listed by queue', async () => {
    const answer = await operator({ method: 'GET', url: '/api/v1/admin/dlq' });
    expect(answer.json()).toEqual({
      queues: [
        { queue: QUEUE, group: QUEUE.slice(0, -4), replayable: true, open: 15, archived: 0 },
        { queue: 'capture.scan.dlt', group: 'capture.scan', replayable: false, open: 1, archived: 0 },
      ],
    });
  });
});
