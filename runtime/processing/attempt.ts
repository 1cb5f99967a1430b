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

/** One attempt at a record: decode, handle, within the deadline. Never rejects and never outlasts the deadline. */
export function attempt(item: RecordInHand, deps: AttemptDeps): Promise<HandlerResult> | HandlerResult {
  const { envelope } = item;
  if (envelope instanceof ClassifiedError) return failed(envelope);
  if (!deps.known.has(envelope.type)) return failed(new ClassifiedError('EVENT_UNKNOWN', 'no event of this type is declared'));
  if (!deps.wanted.has(envelope.type)) return { kind: 'skipped', reason: 'not-wanted' };
  const running = new Attempt(item, envelope.type, deps);
  item.running = running;
  return running.run(item, envelope);
}

/**
 * What the handler sees of its attempt, and what ends it early. It is one object per record and makes its AbortSignal only
 * for a handler that asks for it: most of what a record costs in the loop is what is made for it.
 */
class Attempt implements HandlerContext, Watched, RunningAttempt {
  readonly topic: string;
  readonly partition: number;
  readonly offset: Offset;
  readonly deadlineMs: number;
  readonly attempt: number;
  readonly eventType: string;
  private readonly item: RecordInHand;
  private readonly deps: AttemptDeps;
  private readonly deadlines: EqualDeadlines;
  private controller: AbortController | undefined;
  private cutOffFor: ClassifiedError | undefined;
  /** An outage that the record is not to blame for: whoever is answered from here on changes nothing about it. */
  private excused: ClassifiedError | undefined;
  private settle: ((result: HandlerResult) => void) | undefined;

  constructor(item: RecordInHand, eventType: string, deps: AttemptDeps) {
    const { record, attempt } = item;
    this.item = item;
    this.topic = record.topic;
    this.partition = record.partition;
    this.offset = record.offset;
    this.attempt = attempt;
    this.eventType = eventType;
    this.deps = deps;
    this.deadlines = deps.deadlines.of(deps.timeoutMsOf(eventType));
    this.deadlineMs = this.deadlines.deadlineMs();
  }

  get group(): string {
    return this.deps.group;
  }

  get beganAtMs(): number {
    return this.deadlineMs - this.deadlines.timeoutMs;
  }

  get isOver(): boolean {
    return this.settle === undefined;
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

  run(item: RecordInHand, envelope: Envelope): Promise<HandlerResult> {
    item.awaiting = undefined;
    const settled = new Promise<HandlerResult>((resolve) => (this.settle = resolve));
    this.deadlines.watch(this);
    try {
      this.decodeAndHandle(item, envelope).then(
        (result) => this.end(result),
        (error: unknown) => this.threw(error),
      );
    } catch (error) {
      this.threw(error);
    }
    return settled;
  }

  expire(): void {
    const { awaiting: dependency } = this.item;
    this.cutOff(new ClassifiedError('HANDLER_TIMEOUT', 'the handler did not end within its deadline', { dependency }));
  }

  /** It goes on unheard: its effect, if it still comes, is absorbed as a duplicate. */
  cutOff(error: ClassifiedError): void {
    if (this.settle === undefined) return;
    this.cutOffFor = error;
    this.controller?.abort(error);
    this.end(failed(error));
  }

  private threw(error: unknown): void {
    this.end(failed(classified(error, 'HANDLER_FAILED', 'the handler threw')));
  }

  private end(result: HandlerResult): void {
    this.deadlines.release(this);
    this.settle?.(result.kind === 'failed' ? failed(this.blame(result.error)) : result);
    this.settle = undefined;
  }

  private decodeAndHandle(item: RecordInHand, envelope: Envelope): Promise<HandlerResult> {
    let payload: unknown;
    try {
      payload = this.deps.decoder.decodeNow?.(envelope.type, item.record);
    } catch (error) {
      return Promise.resolve(failed(unreadable(error)));
    }
    return payload === undefined ? this.askAndHandle(item, envelope) : this.deps.handler(withPayload(envelope, payload), this);
  }

  private async askAndHandle(item: RecordInHand, envelope: Envelope): Promise<HandlerResult> {
    let payload: unknown;
    if (this.deps.decoder.readsFromMemory?.(item.record) === false) this.awaiting('registry');
    try {
      payload = await this.deps.decoder.decode(envelope.type, item.record);
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
