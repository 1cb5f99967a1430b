/**
 * Confluent's wire format: a zero byte, the schema id as a big-endian 32-bit integer, the Avro body. Values of the other
 * capture are JSON text; the first byte tells them apart, because JSON text never begins with a zero byte.
 */
export type WireValue =
  /** The body begins at `FRAME_BODY_AT`. */
  { readonly kind: 'frame'; readonly schemaId: number } | { readonly kind: 'json' } | { readonly kind: 'unknown' };

const MAGIC = 0;
export const FRAME_BODY_AT = 5;

/** @throws RangeError when the id is no positive 32-bit integer. */
export function encodeFrame(schemaId: number, body: Uint8Array): Uint8Array {
  if (!Number.isInteger(schemaId) || schemaId <= 0 || schemaId > 0x7fffffff) throw new RangeError(`not a schema id: ${schemaId}`);
  const framed = new Uint8Array(FRAME_BODY_AT + body.length);
  framed[0] = MAGIC;
  new DataView(framed.buffer).setInt32(1, schemaId);
  framed.set(body, FRAME_BODY_AT);
  return framed;
}

/** Looks at the first bytes only: what follows may still be malformed. */
export function readWireValue(value: Uint8Array): WireValue {
  if (value[0] === MAGIC) {
    if (value.length < FRAME_BODY_AT) return { kind: 'unknown' };
    const schemaId = ((value[1] ?? 0) << 24) | ((value[2] ?? 0) << 16) | ((value[3] ?? 0) << 8) | (value[4] ?? 0);
    return schemaId > 0 ? { kind: 'frame', schemaId } : { kind: 'unknown' };
  }
  return isJsonStart(firstVisible(value)) ? { kind: 'json' } : { kind: 'unknown' };
}

function firstVisible(value: Uint8Array): number | undefined {
  for (const byte of value) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return byte;
  return undefined;
}

/** `{` or `[`: events are records, and nothing else is looked for. */
function isJsonStart(byte: number | undefined): boolean {
  return byte === 0x7b || byte === 0x5b;
}
