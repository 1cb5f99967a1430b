import { ClassifiedError } from '../core/errors.ts';

/**
 * For the end of an aggregate's `switch`: does not compile while a declared event is unhandled. At run time an event of a
 * newer version must not be folded as if nothing had happened; the decision would be made on a wrong state.
 */
export function unknownStoredEvent(event: never): never {
  const { type } = event as { readonly type: string };
  throw new ClassifiedError('EVENT_UNKNOWN', `this version cannot fold ${type}`);
}
