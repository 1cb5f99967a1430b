import type { Clock } from '../../core/clock.ts';
import type { EventRecord } from '../../core/envelope.ts';
import { ClassifiedError, classified } from '../../core/errors.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import { INBOX_RETENTION_DAYS } from '../../core/retention.ts';
import type { EventHandler, HandlerContext } from './event-handler.ts';

interface InboxOfGroup {
  /** From which record timestamp on, in milliseconds, the inbox remembers every event that was handled. */
  readonly remembersFromMs: () => Promise<number>;
  /** Whether the event has its mark there. */
  readonly isProcessed: (event: EventRecord) => Promise<boolean>;
  readonly clock: Clock;
}

/** No inbox forgets what is younger, whatever the clocks say: of such a record it is not asked. */
const SURELY_REMEMBERED_MS = (INBOX_RETENTION_DAYS - 1) * 86_400_000;

/**
 * A record may come from its topic when the inbox has forgotten whether it had its effect: a repair of the capture publishes rows of
 * up to thirty days once more, with their old timestamps, and a segment is kept for as long as its newest record. When the group is
 * set back later, nobody knows any more. It is given up then, and comes in by a person who accepts that its effect could come twice.
 */
export function refuseForgotten(handler: EventHandler, inbox: InboxOfGroup): EventHandler {
  return (event, context) => {
    const { recordedAtMs } = context;
    // A record without a time (-1) is kept by the time of its file, and the inbox remembers for longer than any is kept.
    if (recordedAtMs === undefined || recordedAtMs < 0 || recordedAtMs > inbox.clock.nowMs() - SURELY_REMEMBERED_MS)
      return handler(event, context);
    return askFirst(handler, inbox, event, context, recordedAtMs);
  };
}

async function askFirst(
  handler: EventHandler,
  inbox: InboxOfGroup,
  event: EventRecord,
  context: HandlerContext,
  recordedAtMs: number,
): Promise<HandlerResult> {
  context.awaiting('postgres');
  try {
    if (recordedAtMs < (await inbox.remembersFromMs()) && !(await inbox.isProcessed(event))) {
      return { kind: 'failed', error: new ClassifiedError('EVENT_FORGOTTEN', 'the event is older than the inbox remembers') };
    }
  } catch (error) {
    return { kind: 'failed', error: classified(error, 'HANDLER_FAILED', 'the inbox could not be asked') };
  }
  return handler(event, context);
}
