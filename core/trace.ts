/**
 * W3C Trace Context, version 00 (https://www.w3.org/TR/trace-context/). One trace id leads from the HTTP request to the
 * last log line; the request id is the caller's own word for the same request.
 */
export interface TraceContext {
  /** 32 hexadecimal digits, not all zero. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly requestId: string | undefined;
  readonly tracestate: string | undefined;
  readonly sampled: boolean;
}

/** Yields random bytes; the caller owns the randomness. */
export type RandomBytes = (length: number) => Uint8Array;

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

export function parseTraceparent(text: string | undefined): { traceId: string; spanId: string; sampled: boolean } | undefined {
  const match = text === undefined ? null : TRACEPARENT.exec(text);
  if (match?.[1] === undefined || match[2] === undefined || match[3] === undefined || match[4] === undefined) return undefined;
  if (match[1] === 'ff' || (match[1] === '00' && match[5] !== undefined)) return undefined;
  if (/^0+$/.test(match[2]) || /^0+$/.test(match[3])) return undefined;
  return { traceId: match[2], spanId: match[3], sampled: (Number.parseInt(match[4], 16) & 1) === 1 };
}

export function formatTraceparent(trace: TraceContext): string {
  return `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? '01' : '00'}`;
}

/** A new span in the caller's trace, or in a new trace when the caller sent none or a malformed one. */
export function startTrace(
  incoming: {
    readonly traceparent?: string | undefined;
    readonly tracestate?: string | undefined;
    readonly requestId?: string | undefined;
  },
  random: RandomBytes,
): TraceContext {
  const parent = parseTraceparent(incoming.traceparent);
  return {
    traceId: parent?.traceId ?? hex(random(16)),
    spanId: hex(random(8)),
    parentSpanId: parent?.spanId,
    requestId: incoming.requestId,
    tracestate: parent === undefined ? undefined : incoming.tracestate,
    sampled: parent?.sampled ?? true,
  };
}

/** The span in which a reaction to an event runs: same trace, the event's span as parent. */
export function continueTrace(
  event: {
    readonly traceId: string;
    readonly traceparent: string | undefined;
    readonly tracestate: string | undefined;
    readonly requestId: string | undefined;
  },
  random: RandomBytes,
): TraceContext {
  const parent = parseTraceparent(event.traceparent);
  return {
    traceId: event.traceId,
    spanId: hex(random(8)),
    parentSpanId: parent?.spanId,
    requestId: event.requestId,
    tracestate: event.tracestate,
    sampled: parent?.sampled ?? true,
  };
}
