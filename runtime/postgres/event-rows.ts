import type { EventDefinition, NewEvent } from '../../core/define.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Json } from '../../core/json.ts';
import { recordKeyText } from '../../core/record-key.ts';
import { formatTraceparent } from '../../core/trace.ts';
import type { Cause } from '../../core/unit-of-work.ts';
import type { AppendContext, EventRow } from './append-statement.ts';
import { flowColumns } from './inbox-statements.ts';

/** What the outbox's size constraint allows; measured here before a hopeless payload is sent, there for every writer. */
const MAX_PAYLOAD_BYTES = 900_000;
/** Widths of the columns that hold what a caller chose freely. They serve tracing only, and never fail a command. */
const REQUEST_ID_LENGTH = 64;
const TRACESTATE_LENGTH = 512;

/**
 * The rows of one append. Pure.
 * @throws ClassifiedError EVENT_UNKNOWN, DECISION_FAILED for another domain's event, PAYLOAD_INVALID without a key, RECORD_TOO_LARGE.
 */
export function eventRow(
  event: NewEvent,
  definition: EventDefinition | undefined,
  place: { readonly id: string; readonly version: bigint; readonly domain: string },
): EventRow {
  if (definition === undefined) throw new ClassifiedError('EVENT_UNKNOWN', `event ${event.type} is declared by no domain`);
  if (definition.domain !== place.domain) {
    throw new ClassifiedError(
      'DECISION_FAILED',
      `event ${event.type} belongs to ${definition.domain} and cannot be appended by ${place.domain}`,
    );
  }
  const payloadJson = jsonOf(event);
  if (Buffer.byteLength(payloadJson) > MAX_PAYLOAD_BYTES) {
    throw new ClassifiedError('RECORD_TOO_LARGE', `the payload of ${event.type} has over ${MAX_PAYLOAD_BYTES} bytes`);
  }
  return {
    event_id: place.id,
    version: place.version.toString(),
    type: event.type,
    domain: definition.domain,
    key: recordKey(definition, event.payload),
    route: definition.route,
    payload: event.payload as Json,
    payloadJson,
  };
}

function jsonOf({ type, payload }: NewEvent): string {
  if (typeof payload !== 'object' || payload === null) throw new ClassifiedError('PAYLOAD_INVALID', `the payload of ${type} is no object`);
  try {
    return JSON.stringify(payload);
  } catch (error) {
    // A bigint or a cycle; the thrown text may name what it met.
    throw new ClassifiedError('PAYLOAD_INVALID', `the payload of ${type} cannot be written as JSON`, { cause: error });
  }
}

/** @throws ClassifiedError PAYLOAD_INVALID naming the field. */
export function recordKey(definition: EventDefinition, payload: unknown): string {
  const key = recordKeyText((payload as Readonly<Record<string, unknown>> | null)?.[definition.keyField]);
  if (key !== undefined && key !== '') return key;
  throw new ClassifiedError('PAYLOAD_INVALID', `${definition.type}.${definition.keyField} is the record key and has no text`);
}

/** What the rows of one append share: the stream's place, and the trace of what caused them. */
export function appendContext(
  stream: { readonly aggregateType: string; readonly aggregateId: string; readonly expectedVersion: bigint },
  cause: Cause,
  flow: { readonly correlationId: string; readonly at: string },
): AppendContext {
  const metadata = eventMetadata({ ...cause, correlationId: flow.correlationId });
  return {
    ...stream,
    at: flow.at,
    metadata,
    traceId: metadata.trace_id,
    requestId: metadata.request_id ?? null,
    traceparent: metadata.traceparent,
    tracestate: metadata.tracestate ?? null,
    tracingSpanContext: tracingSpanContext(metadata),
    correlationId: metadata.correlation_id ?? null,
    causationId: metadata.causation_id ?? null,
  };
}

/** Kept with an event, and as columns of its outbox row. What is undefined is left out. */
export interface EventMetadata {
  readonly trace_id: string;
  readonly request_id: string | undefined;
  readonly traceparent: string;
  readonly tracestate: string | undefined;
  readonly correlation_id: string | undefined;
  readonly causation_id: string | undefined;
}

export function eventMetadata(cause: Cause): EventMetadata {
  const { flowId, eventId, traceId } = flowColumns(cause);
  return {
    trace_id: traceId,
    request_id: cause.trace.requestId?.slice(0, REQUEST_ID_LENGTH),
    traceparent: formatTraceparent(cause.trace),
    tracestate: cause.trace.tracestate?.slice(0, TRACESTATE_LENGTH),
    correlation_id: flowId ?? undefined,
    causation_id: eventId ?? undefined,
  };
}

/** The text form of java.util.Properties, which Debezium reads: one `name=value` a line, with `\`, `=`, `:`, `#` and `!` escaped. */
export function tracingSpanContext({ traceparent, tracestate }: Pick<EventMetadata, 'traceparent' | 'tracestate'>): string {
  const escape = (value: string): string => value.replace(/[\\=:#!]/g, String.raw`\$&`);
  return [`traceparent=${escape(traceparent)}`, ...(tracestate === undefined ? [] : [`tracestate=${escape(tracestate)}`])].join('\n');
}
