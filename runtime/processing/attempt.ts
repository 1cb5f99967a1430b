import type { PayloadDecoder } from '../../core/codec.ts';
import type { Envelope } from '../../core/envelope.ts';
import { ClassifiedError, classified } from '../../core/errors.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import type { RetryPolicy } from '../../core/retry-policy.ts';
import { delayAfterAttemptMs } from '../../core/retry-policy.ts';
import type { AttemptDeadlines } from './attempt-deadlines.ts';
import type { EventHandler } from './event-handler.ts';
import type { RecordInHand } from './record-in-hand.ts';

interface AttemptDeps {
  readonly group: string;
  readonly decoder: PayloadDecoder;
  readonly handler: EventHandler;
  /** Types that the group handles. */
  readonly wanted: ReadonlySet<string>;
  /** Every type that the pipeline declares. */
  readonly known: ReadonlySet<string>;
  readonly deadlines: AttemptDeadlines;
  readonly retryPolicy: RetryPolicy;
}

/** One attempt at a record: decode, handle, within the deadline. Never rejects and never outlasts the deadline. */
export async function attempt(item: RecordInHand, deps: AttemptDeps): Promise<HandlerResult> {
  const { envelope } = item;
  if (envelope instanceof ClassifiedError) return failed(envelope);
  if (!deps.known.has(envelope.type)) return failed(new ClassifiedError('EVENT_UNKNOWN', 'no event of this type is declared'));
  if (!deps.wanted.has(envelope.type)) return { kind: 'skipped', reason: 'not-wanted' };
  return withDeadline(item, envelope, deps);
}

/** An attempt that outlasts its deadline goes on unheard: its effect, if it still comes, is absorbed as a duplicate. */
async function withDeadline(item: RecordInHand, envelope: Envelope, deps: AttemptDeps): Promise<HandlerResult> {
  const controller = new AbortController();
  return new Promise((resolve) => {
    const cutOff = (error: ClassifiedError): void => {
      deps.deadlines.release(watched);
      controller.abort(error);
      resolve(failed(error));
    };
    const watched = deps.deadlines.watch(() => {
      cutOff(new ClassifiedError('HANDLER_TIMEOUT', 'the handler did not end within its deadline'));
    });
    item.cutOff = cutOff;
    void decodeAndHandle(item, envelope, deps, controller.signal, watched.deadlineMs).then((result) => {
      deps.deadlines.release(watched);
      resolve(result);
    });
  });
}

async function decodeAndHandle(
  item: RecordInHand,
  envelope: Envelope,
  deps: AttemptDeps,
  signal: AbortSignal,
  deadlineMs: number,
): Promise<HandlerResult> {
  const { topic, partition, offset } = item.record;
  let payload: unknown;
  try {
    payload = await deps.decoder.decode(envelope.type, item.record);
  } catch (error) {
    return failed(classified(error, 'PAYLOAD_UNREADABLE', 'the value cannot be decoded'));
  }
  try {
    return await deps.handler(
      { ...envelope, payload },
      {
        group: deps.group,
        topic,
        partition,
        offset,
        signal,
        deadlineMs,
        attempt: item.attempt,
        lastAttempt: delayAfterAttemptMs(deps.retryPolicy, item.attempt, 0) === undefined,
      },
    );
  } catch (error) {
    return failed(classified(error, 'HANDLER_FAILED', 'the handler threw'));
  }
}

function failed(error: ClassifiedError): HandlerResult {
  return { kind: 'failed', error };
}
