import type { Clock } from '../../core/clock.ts';
import type { CallName, Calls } from '../../core/calls.ts';
import { DEPENDENCY_OF_CALL } from '../../core/calls.ts';
import type { ProcessorDefinition, Reaction } from '../../core/define.ts';
import type { EventRecord } from '../../core/envelope.ts';
import { ClassifiedError, classified } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import type { Step, StepOutcome, Steps } from '../../core/step.ts';
import type { RandomBytes, TraceContext } from '../../core/trace.ts';
import { continueTrace } from '../../core/trace.ts';
import type { CallRunner } from '../calls/call-runner.ts';
import type { EventHandler, HandlerContext } from './event-handler.ts';

interface ReactionHandlerOptions {
  readonly processor: ProcessorDefinition;
  readonly steps: Steps;
  /** Whether a step is committed under the key. Asked before a call is made, so that a repeated event makes none. */
  readonly isProcessed: (idempotencyKey: string) => Promise<boolean>;
  readonly calls: CallRunner;
  readonly random: RandomBytes;
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * Handles events by a processor's reactions: the declared call first, outside any transaction, then inbox mark, load,
 * decision, state, events and outbox in one transaction. A repeated event finds its mark, makes no call and changes nothing. When it
 * fails, nothing of it is committed, except that the call may have been made and will be made again with the same key.
 */
export function createReactionHandler(options: ReactionHandlerOptions): EventHandler {
  const reactions = new Map(options.processor.reactions.map((reaction) => [reaction.on, reaction]));
  const logger = options.logger.child({ 'log.logger': 'reaction', domain: options.processor.domain });
  return async (event, context) => {
    const reaction = reactions.get(event.type);
    if (reaction === undefined) return { kind: 'skipped', reason: 'not-wanted' };
    const trace = continueTrace(event, options.random);
    const startedMs = options.clock.monotonicMs();
    try {
      const call = declaredCall(reaction, event);
      context.awaiting('postgres');
      if (call !== undefined && (await options.isProcessed(call.idempotencyKey))) {
        return report(logger, event, trace, context, { kind: 'repeated' }, options.clock.monotonicMs() - startedMs);
      }
      context.signal.throwIfAborted();
      const result = call === undefined ? undefined : await callResult(options.calls, call, trace, context);
      context.signal.throwIfAborted();
      context.awaiting('postgres');
      const step = {
        ...stepOf(options.processor.domain, reaction, event, { trace, startedMs }, result),
        isolated: context.isolated('postgres'),
      };
      const outcome = await options.steps.commit(step, context.signal);
      return report(logger, event, trace, context, outcome, options.clock.monotonicMs() - startedMs);
    } catch (error) {
      return { kind: 'failed', error: classified(error, 'HANDLER_FAILED', 'the reaction failed') };
    }
  };
}

/** The step that an event is, once its call has ended. @throws ClassifiedError DECISION_FAILED when the reaction throws over the event. */
export function stepOf(
  domain: string,
  reaction: Reaction,
  event: EventRecord,
  flow: { readonly trace: TraceContext; readonly startedMs: number },
  result: unknown,
): Step {
  const lock = pure(() => reaction.lock?.(event));
  const rows = pure(() => reaction.rows?.(event));
  return {
    name: `${domain}:${event.type}`,
    idempotencyKey: pure(() => reaction.idempotencyKey(event)),
    aggregate: reaction.aggregate,
    aggregateId: pure(() => reaction.aggregateId(event)),
    cause: { trace: flow.trace, correlationId: event.correlationId ?? event.id, causationId: event.id },
    startedMs: flow.startedMs,
    ...(lock === undefined ? {} : { lock }),
    ...(rows === undefined ? {} : { rows }),
    decide: (state, found) => pure(() => reaction.decide({ state, event, result, rows: found })),
  };
}

interface DeclaredCall {
  readonly call: NonNullable<Reaction['call']>;
  readonly request: Calls[CallName]['request'];
  readonly idempotencyKey: string;
}

/** Undefined: the event needs none. */
function declaredCall(reaction: Reaction, event: EventRecord): DeclaredCall | undefined {
  const { call } = reaction;
  if (call === undefined) return undefined;
  const request = pure(() => call.request(event));
  if (request === undefined) return undefined;
  return { call, request, idempotencyKey: pure(() => reaction.idempotencyKey(event)) };
}

async function callResult(
  calls: CallRunner,
  { call, request, idempotencyKey }: DeclaredCall,
  trace: TraceContext,
  context: HandlerContext,
): Promise<Calls[CallName]['result'] | undefined> {
  context.awaiting(DEPENDENCY_OF_CALL[call.name]);
  try {
    return await calls.run(call.name, request, { idempotencyKey, trace, signal: context.signal, timeoutMs: call.timeoutMs });
  } catch (error) {
    const failure = context.blame(classified(error, 'CALL_FAILED', `the call ${call.name} failed`));
    if (!context.lastAttempt || failure.code !== 'CALL_FAILED' || call.exhausted === undefined) throw failure;
    context.unanswered();
    return pure(() => call.exhausted?.(failure));
  }
}

/** Runs the processor's own code, which promises to be pure and total: a throw is its bug, whatever it throws. */
function pure<T>(decide: () => T): T {
  try {
    return decide();
  } catch (error) {
    throw new ClassifiedError('DECISION_FAILED', 'the reaction threw while it decided', { cause: error });
  }
}

function report(
  logger: Logger,
  event: EventRecord,
  trace: TraceContext,
  context: HandlerContext,
  outcome: StepOutcome,
  durationMs: number,
): HandlerResult {
  const fields = {
    'trace.id': trace.traceId,
    'span.id': trace.spanId,
    'event.id': event.id,
    'event.type': event.type,
    'stream.id': event.streamId,
    group: context.group,
    attempt: context.attempt,
    duration_ms: Math.round(durationMs),
  };
  if (outcome.kind === 'repeated') {
    logger.debug({ ...fields, door: 'skipped' }, 'event was reacted to before');
    return { kind: 'skipped', reason: 'duplicate' };
  }
  logger.info({ ...fields, door: 'acked', appended: outcome.events }, 'event reacted to');
  return { kind: 'acked' };
}
