import type { PayloadDecoder, PayloadEncoder } from '../core/codec.ts';
import type { PipelineDefinition } from '../core/define.ts';
import { ClassifiedError } from '../core/errors.ts';
import type { ConsumedRecord } from '../core/record.ts';
import { utf8Text } from '../core/record.ts';
import { createAvroEncoder, createJsonEncoder, createPayloadDecoder } from '../schemas/codec.ts';
import { schemaOf, subjectsByType } from '../schemas/event-schema.ts';
import type { Connections } from './connections.ts';

export interface Payloads {
  readonly encoder: PayloadEncoder;
  readonly decoder: PayloadDecoder;
}

/** How payloads are written to topics and read from them, by the deployment's wire format and registry. */
export function createPayloads(pipeline: PipelineDefinition, connections: Connections): Payloads {
  const registry = connections.registry();
  const { config } = connections;
  const encoder =
    config.wireFormat === 'json'
      ? createJsonEncoder()
      : createAvroEncoder({ registry, subjectOf: subjectsByType(pipeline, config.names), schemaOf });
  return { encoder, decoder: keyedDecoder(pipeline, createPayloadDecoder({ registry, readerSchemaOf: schemaOf })) };
}

/** A record whose key is not its payload's own would run beside its user's other events, in another lane: it is refused. */
export function keyedDecoder(pipeline: PipelineDefinition, decoder: PayloadDecoder): PayloadDecoder {
  const keyFields = new Map(pipeline.domains.flatMap(({ events }) => events).map(({ type, keyField }) => [type, keyField]));
  const keyed = (payload: unknown, type: string, record: ConsumedRecord): unknown => {
    const field = keyFields.get(type);
    const key = record.key === null ? undefined : utf8Text(record.key);
    if (field !== undefined && (payload as Readonly<Record<string, unknown>>)[field] !== key) {
      throw new ClassifiedError('PAYLOAD_INVALID', `the record key is not the payload's ${field}`);
    }
    return payload;
  };
  return {
    decode: async (type, record) => keyed(await decoder.decode(type, record), type, record),
    decodeNow: (type, record) => {
      const payload = decoder.decodeNow?.(type, record);
      return payload === undefined ? undefined : keyed(payload, type, record);
    },
  };
}
