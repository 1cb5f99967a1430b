import type { EventDefinition, NewEvent, StoredEvent } from '../core/define.ts';
import type { EventPayloads, EventType } from './generated/events.ts';

/** The events of a stream as an aggregate folds them: a union that a `switch` over `type` takes apart. */
export type StoredEventOf<T extends EventType> = { [K in T]: StoredEvent<K, EventPayloads[K]> }[T];

/** An event that a decision wants, checked against the payload of its definition. */
export function newEvent<T extends string, P>(definition: EventDefinition<T, P>, payload: P): NewEvent<T, P> {
  return { type: definition.type, payload };
}
