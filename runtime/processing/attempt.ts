import type { PayloadDecoder } from '../../core/codec.ts';
import type { Dependency } from '../../core/dependency.ts';
import { withPayload, type Envelope } from '../../core/envelope.ts';
import { ClassifiedError, classified } from '../../core/errors.ts';
import type { Offset } from '../../core/offset.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import type { RetryPolicy } from '../../core/retry-policy.ts';
import { delayAfterAttemptMs } from '../../core/retry-policy.ts';
import type { AttemptDeadlines, EqualDeadlines, Watched } from './attempt-deadlines.ts';
import type { Breakers } from './breakers.ts';
import type { EventHandler, HandlerContext } from './event-handler.ts';
import type { RecordInHand, RunningAttempt } from './record-in-hand.ts';

export interface AttemptDeps {
  readonly group: string;
  readonly decoder: PayloadDecoder;
  readonly handler: EventHandler;
  /** Types that the group handles. */
  readonly wanted: ReadonlySet<string>;
  /** Every type that the pipeline declares. */
  readonly known: ReadonlySet<string>;
  readonly deadlines: AttemptDeadlines;
  readonly timeoutMsOf: (eventType: string) => number;
  readonly retryPolicy: RetryPolicy;
  readonly breakers: Pick<Breakers<RecordInHand>, 'answered' | 'isTrying' | 'isolates' | 'blame'>;
}

/** For attempts outside of a group. */
export const NO_BREAKERS: AttemptDeps['breakers'] = {
  answered: () => undefined,
  isTrying: () => false,
  isolates: () => false,
  blame: (_item, error) => error,
};

/** Gets the end of an attempt: one of them is made for a group, and no promise for a record. */
export type AttemptEnded = (item: RecordInHand, result: HandlerResult) => void;

const NOT_WANTED: HandlerResult = { kind: 'skipped', reason: 'not-wanted' };

/**
 * One attempt at a record: decode, handle, within the deadline. Tells its end exactly once, in the same turn or later, and at the
 * deadline at the latest.
 */
export function beginAttempt(item: RecordInHand, deps: AttemptDeps, ended: AttemptEnded): void {
  const { envelope } = item;
  if (envelope instanceof ClassifiedError) ended(item, failed(envelope));
  else if (!deps.known.has(envelope.type)) ended(item, failed(new ClassifiedError('EVENT_UNKNOWN', 'no event of this type is declared')));
  else if (!deps.wanted.has(envelope.type)) ended(item, NOT_WANTED);
  else {
    const running = new Attempt(item, envelope.type, deps, ended);
    item.running = running;
    running.begin(envelope);
  }
}

/** The same, as a promise that never rejects. */
export async function attempt(item: RecordInHand, deps: AttemptDeps): Promise<HandlerResult> {
  return new Promise((resolve) => {
    beginAttempt(item, deps, (_item, result) => resolve(result));
  });
}

/**
 * What the handler sees of its attempt, and what ends it early. It is one object per record and makes its AbortSignal only
 * for a handler that asks for it: most of what a record costs in the loop is what is made for it.
 */
class Attempt implements HandlerContext, Watched, RunningAttempt {
  readonly deadlineMs: number;
  readonly attempt: number;
  readonly eventType: string;
  /** Of its neighbours among those with the same deadline. */
  earlier: Watched | undefined = undefined;
  later: Watched | undefined = undefined;
  private readonly item: RecordInHand;
  private readonly deps: AttemptDeps;
  private readonly ended: AttemptEnded;
  private readonly deadlines: EqualDeadlines;
  private controller: AbortController | undefined = undefined;
  private cutOffFor: ClassifiedError | undefined = undefined;
  /** An outage that the record is not to blame for: whoever is answered from here on changes nothing about it. */
  private excused: ClassifiedError | undefined = undefined;
  private over = false;

  constructor(item: RecordInHand, eventType: string, deps: AttemptDeps, ended: AttemptEnded) {
    this.item = item;
    this.attempt = item.attempt;
    this.eventType = eventType;
    this.deps = deps;
    this.ended = ended;
    this.deadlines = deps.deadlines.of(deps.timeoutMsOf(eventType));
    this.deadlineMs = this.deadlines.deadlineMs();
  }

  get topic(): string {
    return this.item.record.topic;
  }

  get partition(): number {
    return this.item.record.partition;
  }

  get offset(): Offset {
    return this.item.record.offset;
  }

  get recordedAtMs(): number | undefined {
    const { parked, record } = this.item;
    return parked === undefined ? record.timestampMs : undefined;
  }

  get group(): string {
    return this.deps.group;
  }

  get beganAtMs(): number {
    return this.deadlineMs - this.deadlines.timeoutMs;
  }

  get lastAttempt(): boolean {
    return !this.deps.breakers.isTrying(this.item) && delayAfterAttemptMs(this.deps.retryPolicy, this.attempt, 0) === undefined;
  }

  get signal(): AbortSignal {
    this.controller ??= new AbortController();
    if (this.cutOffFor !== undefined) this.controller.abort(this.cutOffFor);
    return this.controller.signal;
  }

  awaiting(dependency: Dependency): void {
    const { item } = this;
    if (this.cutOffFor !== undefined || item.awaiting === dependency) return;
    if (item.awaiting !== undefined) this.deps.breakers.answered(item, item.awaiting);
    item.awaiting = dependency;
  }

  unanswered(): void {
    if (this.cutOffFor === undefined) this.item.awaiting = undefined;
  }

  isolated(dependency: Dependency): boolean {
    return this.deps.breakers.isolates(this.item, dependency);
  }

  blame(error: ClassifiedError): ClassifiedError {
    if (this.cutOffFor !== undefined || error === this.excused) return error;
    const verdict = this.deps.breakers.blame(this.item, error);
    if (verdict === error) this.excused = error;
    return verdict;
  }

  begin(envelope: Envelope): void {
    this.item.awaiting = undefined;
    this.deadlines.watch(this);
    try {
      this.decodeAndHandle(envelope).then(
        (result) => this.end(result),
        (error: unknown) => this.threw(error),
      );
    } catch (error) {
      this.threw(error);
    }
  }

  expire(): void {
    const { awaiting: dependency } = this.item;
    this.cutOff(new ClassifiedError('HANDLER_TIMEOUT', 'the handler did not end within its deadline', { dependency }));
  }

  /** It goes on unheard: its effect, if it still comes, is absorbed as a duplicate. */
  cutOff(error: ClassifiedError): void {
    if (this.over) return;
    this.cutOffFor = error;
    this.controller?.abort(error);
    this.end(failed(error));
  }

  private threw(error: unknown): void {
    this.end(failed(classified(error, 'HANDLER_FAILED', 'the handler threw')));
  }

  private end(result: HandlerResult): void {
    if (this.over) return;
    this.over = true;
    this.item.running = undefined;
    this.deadlines.release(this);
    this.ended(this.item, result.kind === 'failed' ? failed(this.blame(result.error)) : result);
  }

  private decodeAndHandle(envelope: Envelope): Promise<HandlerResult> {
    let payload: unknown;
    try {
      payload = this.deps.decoder.decodeNow?.(envelope.type, this.item.record);
    } catch (error) {
      return Promise.resolve(failed(unreadable(error)));
    }
    return payload === undefined ? this.askAndHandle(envelope) : this.deps.handler(withPayload(envelope, payload), this);
  }

  private async askAndHandle(envelope: Envelope): Promise<HandlerResult> {
    const { record } = this.item;
    let payload: unknown;
    if (this.deps.decoder.readsFromMemory?.(record) === false) this.awaiting('registry');
    try {
      payload = await this.deps.decoder.decode(envelope.type, record);
    } catch (error) {
      return failed(unreadable(error));
    }
    return this.deps.handler(withPayload(envelope, payload), this);
  }
}

function unreadable(error: unknown): ClassifiedError {
  return classified(error, 'PAYLOAD_UNREADABLE', 'the value cannot be decoded');
}

function failed(error: ClassifiedError): HandlerResult {
  return { kind: 'failed', error };
}
