import { describe, expect, it } from 'vitest';
import type { Envelope } from './envelope.ts';
import { ENVELOPE_HEADERS, envelopeHeaders, eventId, withPayload, parseEnvelope, streamVersion } from './envelope.ts';
import { ClassifiedError } from './errors.ts';
import { textHeader } from './record.ts';

const envelope: Envelope = {
  id: eventId('0190F3C2-0000-7000-8000-000000000001'),
  type: 'ImageRegistered',
  aggregateType: 'image',
  aggregateId: 'user-1',
  streamId: 'image-1',
  version: streamVersion('9007199254740993'),
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  requestId: 'request-1',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  tracestate: undefined,
  correlationId: '0190f3c2-0000-7000-8000-000000000001',
  causationId: undefined,
  occurredAt: '2026-11-21T08:00:00.123456Z',
};

describe('the envelope', () => {
  it('survives the way through record headers, versions above 2^53 included', () => {
    const headers = envelopeHeaders(envelope, 'application/json');
    expect(parseEnvelope(headers, 'user-1')).toEqual(envelope);
  });

  it('writes each name once, in the documented order, and leaves out what is not there', () => {
    const names = envelopeHeaders(envelope, 'application/json').map(([name]) => name);
    expect(names).toEqual(ENVELOPE_HEADERS.filter((name) => name !== 'tracestate' && name !== 'causation_id'));
  });

  it.each(['id', 'type', 'aggregatetype', 'stream_id', 'version', 'trace_id', 'occurred_at'])('is refused without %s, by name', (name) => {
    const headers = envelopeHeaders(envelope, 'application/json').filter(([candidate]) => candidate !== name);
    expect(() => parseEnvelope(headers, 'user-1')).toThrow(new RegExp(name));
  });

  it.each([
    ['trace_id', 'x'.repeat(100_000)],
    ['stream_id', 'a\nb'],
    ['request_id', 'x'.repeat(129)],
    ['occurred_at', 'yesterday'],
  ])('is refused with a %s that nobody should log or store', (name, text) => {
    const headers = envelopeHeaders(envelope, 'application/json').filter(([candidate]) => candidate !== name);
    const parse = () => parseEnvelope([...headers, textHeader(name, text)], 'user-1');
    expect(parse).toThrow(new RegExp(name));
    expect(parse).not.toThrow(/xxx/);
  });

  it('becomes an event with its payload, and keeps every field', () => {
    const whole = { ...envelope, tracestate: 'a=b', causationId: '0190f3c2-0000-7000-8000-000000000002' };
    expect(withPayload(whole, { n: 1 })).toStrictEqual({ ...whole, payload: { n: 1 } });
    expect(withPayload(envelope, { n: 1 })).toStrictEqual({ ...envelope, payload: { n: 1 } });
  });

  it.each(['a=\u0000', 'a=ä', `a=${'b'.repeat(510)}😀`, ''])('lets a tracestate go that is none, and fails no event for it: %j', (text) => {
    const headers = [...envelopeHeaders(envelope, 'application/json'), textHeader('tracestate', text)];
    expect(parseEnvelope(headers, 'user-1').tracestate).toBeUndefined();
  });

  it('is refused without a key', () => {
    expect(() => parseEnvelope(envelopeHeaders(envelope, 'application/json'), undefined)).toThrow(ClassifiedError);
  });

  it.each(['0', '-1', '1.5', '', 'one', '99999999999999999999'])('refuses the version %j without repeating it', (version) => {
    const headers = envelopeHeaders(envelope, 'application/json').map((header) =>
      header[0] === 'version' ? textHeader('version', version) : header,
    );
    expect(() => parseEnvelope(headers, 'user-1')).toThrow(ClassifiedError);
  });
});
