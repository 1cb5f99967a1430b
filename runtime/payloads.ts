import type { PayloadDecoder, PayloadEncoder } from '../core/codec.ts';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import { ClassifiedError } from '../core/errors.ts';
import type { Service } from '../core/lifecycle.ts';
import type { ConsumedRecord } from '../core/record.ts';
import { recordKeyText } from '../core/record-key.ts';
import { keyTextOf } from '../core/record.ts';
import { createAvroEncoder, createJsonEncoder, createPayloadDecoder } from '../schemas/codec.ts';
import { schemaOf, subjectsByType } from '../schemas/event-schema.ts';
import type { Config } from './config.ts';
import type { Connections } from './connections.ts';

export interface Payloads {
  readonly encoder: PayloadEncoder;
  readonly decoder: PayloadDecoder;
  /**
   * Asks the registry ahead for what reading and writing the event types will need, beside the start and not before it: see
   * `SchemaRegistry.preload`.
   */
  preload(types: { readonly read: readonly string[]; readonly written: readonly string[] }): Service;
}

type PayloadConnections = Pick<Connections, 'registry'> & { readonly config: Pick<Config, 'names' | 'wireFormat'> };

/** How payloads are written to topics and read from them, by the deployment's wire format and registry. */
export function createPayloads(pipeline: PipelineDefinition, connections: PayloadConnections): Payloads {
  const registry = connections.registry();
  const { config } = connections;
  const subjectOf = subjectsByType(pipeline, config.names);
  return {
    encoder: config.wireFormat === 'json' ? createJsonEncoder() : createAvroEncoder({ registry, subjectOf, schemaOf }),
    decoder: keyedDecoder(pipeline, createPayloadDecoder({ registry, readerSchemaOf: schemaOf })),
    preload: ({ read, written }) => {
      const stopped = new AbortController();
      return {
        name: 'schemas',
        start: async () => {
          // What cannot be told now is asked again by the first event that needs it.
          if (config.wireFormat === 'avro')
            void Promise.allSettled(written.map(async (type) => registry.idOf(subjectOf(type), schemaOf(type))));
          void registry.preload(read.map(subjectOf), stopped.signal);
        },
        stop: async () => stopped.abort(),
      };
    },
  };
}

/** A record whose key is not its payload's own would run beside its user's other events, in another lane: it is refused. */
export function keyedDecoder(pipeline: PipelineDefinition, decoder: PayloadDecoder): PayloadDecoder {
  const keyFields = new Map(pipeline.domains.flatMap(({ events }) => events).map(({ type, keyField }) => [type, keyField]));
  const keyed = (payload: unknown, type: string, record: ConsumedRecord): unknown => {
    const field = keyFields.get(type);
    if (field !== undefined && recordKeyText((payload as Readonly<Record<string, unknown>>)[field]) !== keyTextOf(record)) {
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
    ...(decoder.readsFromMemory === undefined ? {} : { readsFromMemory: (record) => decoder.readsFromMemory?.(record) ?? true }),
  };
}
