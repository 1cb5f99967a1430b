import { describe, expect, it } from 'vitest';
import { headerText } from '../../core/record.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { ACKED, groupUnderTest } from '../../test/support/group-under-test.ts';
import type { HandlerContext } from './event-handler.ts';

describe('an attempt', () => {
  it('has the deadline of its own event type: a short one runs out while a long one goes on', async () => {
    const running = new Map<string, HandlerContext>();
    let endLong: () => void = () => undefined;
    const { group, consumer, clock, letters } = await groupUnderTest({
      wanted: new Set(['Quick', 'Slow']),
      known: new Set(['Quick', 'Slow']),
      handlerTimeoutMs: 25_000,
      timeoutMsOf: (type) => (type === 'Quick' ? 5_000 : 25_000),
      retryPolicy: { delaysMs: [], jitter: 0 },
      handler: async ({ type }, context) => {
        running.set(type, context);
        await new Promise<void>((resolve) => (endLong = resolve));
        return ACKED;
      },
    });
    consumer.deliver([consumedRecord({ at: 0, key: 'a', type: 'Quick' }), consumedRecord({ at: 1, key: 'b', type: 'Slow' })]);
    await clock.advance(4_999);
    expect([...running].map(([type, { deadlineMs }]) => [type, deadlineMs])).toEqual([
      ['Quick', 5_000],
      ['Slow', 25_000],
    ]);
    expect(letters).toEqual([]);
    await clock.advance(1);
    expect(letters.map(({ headers }) => headerText(headers, 'dlt-error-code'))).toEqual(['HANDLER_TIMEOUT']);
    expect(running.get('Quick')?.signal.aborted).toBe(true);
    await clock.advance(15_000);
    expect(running.get('Slow')?.signal.aborted).toBe(false);
    endLong();
    await clock.advance(0);
    expect(group.balance()).toMatchObject({ in: 2, acked: 1, deadLettered: 1, inFlight: 0 });
  });
});
