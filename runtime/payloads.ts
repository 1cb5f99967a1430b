import type { PayloadDecoder, PayloadEncoder } from '../core/codec.ts';
import type { PipelineDefinition } from '../core/define.ts';
import { createAvroEncoder, createJsonEncoder, createPayloadDecoder } from '../schemas/codec.ts';
import { schemaOf, subjectsByType } from '../schemas/event-schema.ts';
import type { Connections } from './connections.ts';

/** How payloads are written to topics and read from them, by the deployment's wire format and registry. */
export function createPayloads(
  pipeline: PipelineDefinition,
  connections: Connections,
): { readonly encoder: PayloadEncoder; readonly decoder: PayloadDecoder } {
  const registry = connections.registry();
  const { config } = connections;
  const encoder =
    config.wireFormat === 'json'
      ? createJsonEncoder()
      : createAvroEncoder({ registry, subjectOf: subjectsByType(pipeline, config.names), schemaOf });
  return { encoder, decoder: createPayloadDecoder({ registry, readerSchemaOf: schemaOf }) };
}
