import type { EncodedPayload, PayloadEncoder } from '../../core/codec.ts';
import { classified } from '../../core/errors.ts';
import { utf8Text } from '../../core/record.ts';
import type { OutboxRow } from './outbox-row.ts';
import { COLUMN } from './outbox-row.ts';
import { contentTypeHeader, framedContentType, hexByte } from './record-tail.ts';
import type { EventValue } from './record-tail.ts';

/**
 * Where the value of an event lies: in the row itself, when its bytes pass as they are (ready frames, JSON text), or in what the
 * encoder made of it. One object, used again for every row.
 */
export class PlacedValue {
  /** Of the row that was placed last. */
  readonly value: EventValue = { bytes: Buffer.alloc(0), start: 0, length: 0, isHex: false, contentType: Buffer.alloc(0) };
  private readonly encoder: PayloadEncoder;
  private readonly verbatim: Buffer | undefined;

  constructor(encoder: PayloadEncoder) {
    this.encoder = encoder;
    this.verbatim = encoder.verbatim === undefined ? undefined : contentTypeHeader(encoder.verbatim);
  }

  /**
   * False when the encoder has to ask: see `asking`.
   * @param encoded its answer, when it was asked.
   * @throws ClassifiedError PAYLOAD_INVALID, EVENT_UNKNOWN.
   */
  place(row: OutboxRow, encoded: EncodedPayload | undefined): boolean {
    const { value, verbatim } = this;
    const [start, length] = [row.startOf(COLUMN.payload), row.lengthOf(COLUMN.payload)];
    if (row.payloadIsBinary) {
      value.bytes = row.bytes;
      value.start = start + 2;
      value.length = (length - 2) / 2;
      value.isHex = true;
      value.contentType = contentTypeHeader(framedContentType(value.length > 0 ? hexByte(row.bytes, start + 2) : undefined));
      return true;
    }
    value.isHex = false;
    if (verbatim !== undefined) {
      value.bytes = row.bytes;
      value.start = start;
      value.length = length;
      value.contentType = verbatim;
      return true;
    }
    const made = encoded ?? this.encodeNow(row);
    if (made === undefined) return false;
    value.bytes = Buffer.from(made.value.buffer, made.value.byteOffset, made.value.length);
    value.start = 0;
    value.length = made.value.length;
    value.contentType = contentTypeHeader(made.contentType);
    return true;
  }

  /** The question to the encoder, to be repeated while what it asks is away; undefined for a value that needs none. */
  asking(row: OutboxRow): (() => Promise<EncodedPayload>) | undefined {
    if (row.payloadIsBinary || this.verbatim !== undefined) return undefined;
    const [type, json] = [typeOf(row), payloadText(row)];
    return () => this.encoder.encode(type, json).catch((thrown: unknown) => Promise.reject(asEncoderFault(thrown)));
  }

  private encodeNow(row: OutboxRow): EncodedPayload | undefined {
    const { encoder } = this;
    if (encoder.encodeNow === undefined) return undefined;
    try {
      return encoder.encodeNow(typeOf(row), payloadText(row));
    } catch (thrown) {
      throw asEncoderFault(thrown);
    }
  }
}

function typeOf(row: OutboxRow): string {
  return utf8Text(row.text('type') ?? new Uint8Array());
}

function payloadText(row: OutboxRow): Uint8Array {
  return row.text('payload') ?? new Uint8Array();
}

/** Whatever an encoder throws without a code is its bug on this payload: kept as a dead letter, and not met for ever. */
function asEncoderFault(thrown: unknown): Error {
  return classified(thrown, 'PAYLOAD_INVALID', 'the payload could not be encoded');
}
