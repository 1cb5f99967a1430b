import { expect, it } from 'vitest';
import type { History, HistoryQuery } from '../core/define-projection.ts';
import type { EventRecord } from '../core/envelope.ts';
import { eventId } from '../core/envelope.ts';
import { imageDeleted } from '../schemas/catalogue.ts';
import { arrived } from '../test/support/arrived.ts';
import { eventsOf } from './events-of.ts';

it('what the API folds by itself is asked for in pages, one query after the other, and never at once', async () => {
  const [first, second, third] = [1, 2, 3].map((n) =>
    arrived(imageDeleted, { image_id: `i${n}`, user_id: 'u1' }, { id: eventId(`0e000000-0000-4000-8000-00000000000${n}`) }),
  ) as [EventRecord, EventRecord, EventRecord];
  const asked: (string | undefined)[] = [];
  const history: History = {
    events: () => expect.fail('all at once'),
    async *pages({ occurredFrom }) {
      asked.push(occurredFrom);
      yield* occurredFrom === 'monday' ? [[first], [second]] : [[third]];
      asked.push(`end of ${occurredFrom}`);
    },
  };
  const day = (occurredFrom: string): HistoryQuery => ({ domain: 'image', types: [imageDeleted.type], occurredFrom });
  expect(await eventsOf(history, [day('monday'), day('tuesday')])).toEqual([first, second, third]);
  expect(asked).toEqual(['monday', 'end of monday', 'tuesday', 'end of tuesday']);
});
