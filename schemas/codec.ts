import avsc from 'avsc';
import type { EncodedPayload, PayloadDecoder, PayloadEncoder } from '../core/codec.ts';
import { CONTENT_TYPE_AVRO, CONTENT_TYPE_JSON } from '../core/envelope.ts';
import { ClassifiedError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { ConsumedRecord } from '../core/record.ts';
import { conform } from './avro-conform.ts';
import { AVRO_LIMITS, AvroFault, compileAvroReader, type AvroReader } from './avro-guard.ts';
import type { AvroRecord } from './avro-schema.ts';
import { writeAvro } from './avro-write.ts';
import { LookupCache } from './lookup-cache.ts';
import type { SchemaRegistry } from './registry.ts';
import { encodeFrame, FRAME_BODY_AT, readWireValue } from './wire-format.ts';

/** Copies the JSON text as it is: key order and numbers of any size survive. */
export function createJsonEncoder(): PayloadEncoder {
  const encode = async (_type: string, json: Uint8Array) => ({ value: new Uint8Array(json), contentType: CONTENT_TYPE_JSON });
  return { verbatim: CONTENT_TYPE_JSON, encode };
}

/**
 * JSON text to Avro by the latest schema of the event. A field that the schema does not know is refused, because it would
 * be lost; an integer beyond 2^53 is refused, because it would be rounded. The payload is checked before the registry is
 * asked, so that poison leaves even while the registry is away. A schema that is not registered yet is waited for
 * (REGISTRY_UNAVAILABLE): `millrace apply` registers it, and no event is to blame.
 */
export function createAvroEncoder(options: {
  readonly registry: Pick<SchemaRegistry, 'idOf'>;
  readonly subjectOf: (type: string) => string;
  readonly schemaOf: (type: string) => AvroRecord;
}): PayloadEncoder {
  const compiled = new Map<string, { readonly schema: AvroRecord; readonly avro: avsc.Type; id: number | undefined }>();

  function compiledOf(type: string): { readonly schema: AvroRecord; readonly avro: avsc.Type; id: number | undefined } {
    const known = compiled.get(type);
    if (known !== undefined) return known;
    const schema = options.schemaOf(type);
    const entry = { schema, avro: compile(schema), id: undefined };
    compiled.set(type, entry);
    return entry;
  }

  function bodyOf(type: string, avro: avsc.Type, json: Uint8Array): Uint8Array {
    const payload = parseJson(json);
    if (payload instanceof Unreadable) throw new ClassifiedError('PAYLOAD_INVALID', `${type}: ${payload.why}`);
    return writeAvro(avro, conform(avro, payload.value, { event: type, unknownFields: 'refuse' }));
  }

  return {
    async encode(type, json): Promise<EncodedPayload> {
      const entry = compiledOf(type);
      const body = bodyOf(type, entry.avro, json);
      entry.id ??= await options.registry.idOf(options.subjectOf(type), entry.schema);
      return { value: encodeFrame(entry.id, body), contentType: CONTENT_TYPE_AVRO };
    },
    encodeNow(type, json): EncodedPayload | undefined {
      const entry = compiledOf(type);
      if (entry.id === undefined) return undefined;
      return { value: encodeFrame(entry.id, bodyOf(type, entry.avro, json)), contentType: CONTENT_TYPE_AVRO };
    },
  };
}

/**
 * Avro frames of any version and plain JSON to a payload of the reader's schema. Throws nothing but ClassifiedError, takes
 * no longer than the size of the value explains, and never puts a part of the value into a message.
 */
export function createPayloadDecoder(options: {
  readonly registry: Pick<SchemaRegistry, 'schemaById'> & Partial<Pick<SchemaRegistry, 'knowsSchema'>>;
  /** Undefined, or a throw of EVENT_UNKNOWN, for an event that this pipeline does not know. */
  readonly readerSchemaOf: (type: string) => AvroRecord | undefined;
}): PayloadDecoder {
  const readers = new Map<string, avsc.Type>();
  const writers = new LookupCache<number, Writer>({ maxEntries: 500, failureTtlMs: ttlOfFailure });

  function readerOf(type: string): avsc.Type {
    const known = readers.get(type);
    if (known !== undefined) return known;
    const schema = options.readerSchemaOf(type);
    if (schema === undefined) throw new ClassifiedError('EVENT_UNKNOWN', 'the event type has no schema');
    const compiled = compile(schema);
    readers.set(type, compiled);
    return compiled;
  }

  async function writerOf(schemaId: number): Promise<Writer> {
    return writers.get(schemaId, async () => compileWriter(schemaId, await options.registry.schemaById(schemaId)));
  }

  function readFrame(writer: Writer, schemaId: number, frame: Uint8Array): Json {
    try {
      return writer.read(frame, FRAME_BODY_AT);
    } catch (thrown) {
      if (thrown instanceof AvroFault)
        throw new ClassifiedError('PAYLOAD_UNREADABLE', `the body is not what schema ${schemaId} says: ${thrown.message}`);
      throw thrown;
    }
  }

  /** Undefined when the writer of the frame is not there. */
  function read(type: string, { value }: ConsumedRecord, writer: (schemaId: number) => Writer | undefined): Json | undefined {
    const reader = readerOf(type);
    if (value === null) throw new ClassifiedError('PAYLOAD_UNREADABLE', 'the record has no value');
    const wire = readWireValue(value);
    if (wire.kind === 'unknown') throw new ClassifiedError('PAYLOAD_UNREADABLE', 'the value is neither an Avro frame nor JSON');
    if (wire.kind === 'json') return conform(reader, readJson(value), { event: type, unknownFields: 'drop' });
    const known = writer(wire.schemaId);
    if (known === undefined) return undefined;
    const written = readFrame(known, wire.schemaId, value);
    return known.isOf(reader) ? written : conform(reader, written, { event: type, unknownFields: 'drop' });
  }

  const writerNow = (schemaId: number): Writer | undefined => writers.now(schemaId);

  function decodeNow(type: string, record: ConsumedRecord): Json | undefined {
    try {
      return read(type, record, writerNow);
    } catch (thrown) {
      return unreadable(thrown);
    }
  }

  return {
    decodeNow,
    async decode(type, record) {
      const now = decodeNow(type, record);
      if (now !== undefined) return now;
      const schemaId = schemaIdOf(record);
      const writer = await writerOf(schemaId).catch(unreadable);
      return classifying(() => read(type, record, () => writer));
    },
    readsFromMemory({ value }) {
      const wire = value === null ? undefined : readWireValue(value);
      if (wire?.kind !== 'frame') return true;
      const { schemaId } = wire;
      return writers.now(schemaId) !== undefined || options.registry.knowsSchema?.(schemaId) === true;
    },
  };
}

interface Writer {
  readonly read: AvroReader;
  /** What it has read is in the shape of that reader's schema as it is: there is nothing to bring into it. */
  isOf(reader: avsc.Type): boolean;
}

function schemaIdOf({ value }: ConsumedRecord): number {
  const wire = value === null ? undefined : readWireValue(value);
  return wire?.kind === 'frame' ? wire.schemaId : 0;
}

function classifying<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    return unreadable(thrown);
  }
}

function unreadable(thrown: unknown): never {
  if (thrown instanceof ClassifiedError) throw thrown;
  // Without the cause: the messages of parsers quote what they parse.
  throw new ClassifiedError('PAYLOAD_UNREADABLE', 'the value could not be read');
}

/** A schema that is no Avro stays so; what the registry said or could not say, it remembers itself. */
function ttlOfFailure(failure: unknown): number {
  return failure instanceof ClassifiedError && failure.code === 'PAYLOAD_UNREADABLE' ? 30_000 : 0;
}

function compile(schema: AvroRecord): avsc.Type {
  return avsc.Type.forSchema(schema as unknown as avsc.Schema);
}

function compileWriter(id: number, schema: Json): Writer {
  try {
    const type = avsc.Type.forSchema(schema as avsc.Schema);
    const same = new Map<avsc.Type, boolean>();
    return {
      read: compileAvroReader(type),
      isOf(reader) {
        const known = same.get(reader) ?? reader.equals(type);
        same.set(reader, known);
        return known;
      },
    };
  } catch (thrown) {
    throw new ClassifiedError('PAYLOAD_UNREADABLE', `schema ${id} of the registry is not Avro that stands alone`, { cause: thrown });
  }
}

function readJson(value: Uint8Array): unknown {
  const parsed = parseJson(value);
  if (parsed instanceof Unreadable) throw new ClassifiedError('PAYLOAD_UNREADABLE', parsed.why);
  return parsed.value;
}

/** No JSON. Says why without a part of the text, which a SyntaxError would quote. */
class Unreadable {
  readonly why: string;

  constructor(why: string) {
    this.why = why;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function parseJson(text: Uint8Array): { readonly value: unknown } | Unreadable {
  if (text.length > AVRO_LIMITS.maxBytes) return new Unreadable(`the payload has more than ${AVRO_LIMITS.maxBytes} bytes`);
  try {
    return { value: JSON.parse(utf8.decode(text)) as unknown };
  } catch {
    return new Unreadable('the payload is not JSON');
  }
}
