import type { ConsumedRecord } from '../../core/record.ts';
import { headerText } from '../../core/record.ts';
import type { Order } from './deposits.ts';
import type { Books } from './processor-program.ts';

/** One order as it was sent, in the order of its owner. */
export interface SentOrder extends Order {
  readonly id: string;
}

/** What is in the topics and in the database once all is quiet. */
export interface Evidence {
  readonly sent: readonly SentOrder[];
  /** Everything in the topic, repetitions included. */
  readonly records: readonly ConsumedRecord[];
  readonly letters: readonly ConsumedRecord[];
  /** In the order of their versions. */
  readonly effects: readonly Effect[];
  /** Event ids of the outbox. */
  readonly outbox: ReadonlySet<string>;
  /** Ids of orders whose records wait. */
  readonly parked: ReadonlySet<string>;
  /** By partition: the offset of the next record to read. */
  readonly committed: ReadonlyMap<number, bigint>;
  /** Orders that somebody has moved the offsets past, before anybody had them. */
  readonly passedOver: ReadonlySet<string>;
  /** Of members that could be asked. */
  readonly books: readonly Books[];
}

export interface Effect {
  readonly eventId: string;
  /** The order that it was made for. */
  readonly orderId: string;
  readonly owner: string;
  readonly version: number;
  readonly n: number;
}

export interface Verdict {
  readonly orders: number;
  readonly letters: number;
  /** Letters that were written more than once: a writer that died cannot know that it had written. */
  readonly repeatedLetters: number;
  /** How many attempts the letters say that there were, each number once. */
  readonly attempts: readonly string[];
}

/**
 * Judges one run: each order has at most one effect (I4); versions of an account leave none out, and its deposits come in the
 * order of the orders (I5); below a committed offset everything has its effect, its letter or its place among the parked (I6); the
 * books balance (I10); and each order has come to its end, the poison in the dead letters and the others deposited (I11).
 * @throws Error that names every breach.
 */
export function judge(evidence: Evidence): Verdict {
  const breaches = [
    ...oneEffect(evidence),
    ...inOrder(evidence),
    ...nothingPassedOver(evidence),
    ...balanced(evidence),
    ...ended(evidence),
  ];
  if (breaches.length > 0) throw new Error(`${breaches.length} breaches:\n  ${breaches.slice(0, 10).join('\n  ')}`);
  const letters = new Set(evidence.letters.map(idOf)).size;
  const attempts = [...new Set(evidence.letters.map(({ headers }) => headerText(headers, 'dlt-attempts') ?? 'unknown'))];
  return { orders: evidence.sent.length, letters, repeatedLetters: evidence.letters.length - letters, attempts };
}

function oneEffect({ effects, outbox }: Evidence): string[] {
  const seen = new Set<string>();
  const twice = effects.flatMap(({ orderId }) => {
    if (seen.has(orderId)) return [`I4: order ${orderId} was deposited twice`];
    seen.add(orderId);
    return [];
  });
  const unpublished = effects
    .filter(({ eventId }) => !outbox.has(eventId))
    .map(({ eventId }) => `I4: event ${eventId} is not in the outbox`);
  const surplus = outbox.size > effects.length ? [`I4: the outbox has ${outbox.size - effects.length} rows without an event`] : [];
  return [...twice, ...unpublished, ...surplus];
}

function inOrder({ effects }: Evidence): string[] {
  const last = new Map<string, Effect>();
  return effects.flatMap((effect) => {
    const before = last.get(effect.owner);
    last.set(effect.owner, effect);
    if (effect.version !== (before?.version ?? 0) + 1)
      return [`I5: ${effect.owner} has version ${effect.version} after ${before?.version}`];
    return before !== undefined && effect.n <= before.n ? [`I5: order ${effect.n} of ${effect.owner} came after order ${before.n}`] : [];
  });
}

function nothingPassedOver({ records, committed, effects, letters, parked, passedOver }: Evidence): string[] {
  const accounted = new Set([...effects.map(({ orderId }) => orderId), ...letters.map(idOf), ...parked, ...passedOver]);
  return records
    .filter((record) => record.offset < (committed.get(record.partition) ?? 0n) && !accounted.has(idOf(record)))
    .map((record) => `I6: offset ${record.offset} of partition ${record.partition} is committed, and nothing came of it`);
}

function balanced({ books }: Evidence): string[] {
  return books
    .filter((book) => book.in !== book.acked + book.skipped + book.retried + book.deadLettered + book.released + book.inFlight)
    .map((book) => `I10: ${JSON.stringify(book)}`);
}

function ended({ sent, effects, letters, parked, passedOver }: Evidence): string[] {
  const deposited = new Set(effects.map(({ orderId }) => orderId));
  const buried = new Set(letters.map(idOf));
  return sent.flatMap(({ id, kind, owner_id, n }) => {
    const name = `I11: order ${n} of ${owner_id} (${kind})`;
    if (parked.has(id)) return [`${name} still waits`];
    if (passedOver.has(id)) return deposited.has(id) || buried.has(id) ? [`${name} was passed over, and came all the same`] : [];
    if (kind === 'poison') return buried.has(id) && !deposited.has(id) ? [] : [`${name} is not in the dead letters alone`];
    return deposited.has(id) && !buried.has(id) ? [] : [`${name} was not deposited`];
  });
}

export function idOf(record: ConsumedRecord): string {
  return headerText(record.headers, 'id') ?? '';
}
