import type { ConsumedRecord } from './record.ts';

/** Checks a payload against the latest schema of its event. Synchronous and local: it runs inside transactions. */
export interface PayloadValidator {
  /** @throws ClassifiedError PAYLOAD_INVALID naming the field, EVENT_UNKNOWN; never with a value in the message. */
  validate(type: string, payload: unknown): void;
}

export interface EncodedPayload {
  readonly value: Uint8Array;
  readonly contentType: string;
}

/** What a capture does to a payload on its way from the outbox to the topic. */
export interface PayloadEncoder {
  /** When given, the JSON text itself is the value, byte for byte, under this content type, and nothing else is asked. */
  readonly verbatim?: string;
  /**
   * @param json the text of the outbox row's payload, as PostgreSQL printed it.
   * @throws ClassifiedError PAYLOAD_INVALID, EVENT_UNKNOWN (dead letter), REGISTRY_UNAVAILABLE (wait).
   */
  encode(type: string, json: Uint8Array): Promise<EncodedPayload>;
  /** The same at once; undefined when something has to be asked first, which `encode` does. */
  encodeNow?(type: string, json: Uint8Array): EncodedPayload | undefined;
}

/** Reads Avro frames of any known schema version, and plain JSON. */
export interface PayloadDecoder {
  /** @throws ClassifiedError PAYLOAD_UNREADABLE, PAYLOAD_INVALID, SCHEMA_UNKNOWN, REGISTRY_UNAVAILABLE, EVENT_UNKNOWN. */
  decode(type: string, record: ConsumedRecord): Promise<unknown>;
  /** The same at once; undefined when something has to be asked first, which `decode` does. */
  decodeNow?(type: string, record: ConsumedRecord): unknown;
  /** False when the registry has to be asked first. Left out: it is never known. */
  readsFromMemory?(record: ConsumedRecord): boolean;
}
