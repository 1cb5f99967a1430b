import type { History, HistoryQuery } from '../core/define-projection.ts';
import type { EventRecord } from '../core/envelope.ts';

/**
 * What a document is folded from, in the order of the queries. One after the other, a reader must not take all connections of the
 * database; and in pages, a day of everybody's events must neither run into the time of a statement nor stand in the way of other requests.
 */
export async function eventsOf(history: Pick<History, 'pages'>, queries: readonly HistoryQuery[]): Promise<readonly EventRecord[]> {
  const events: EventRecord[] = [];
  for (const query of queries) for await (const page of history.pages(query)) for (const event of page) events.push(event);
  return events;
}
