import { kafkaJsBody, kafkaJsBodyReader, type KafkaJsClusterBroker } from './kafkajs-internals.ts';

export interface TopicIds {
  readonly clusterId: string;
  /** By name; unknown topics are missing. */
  readonly ids: ReadonlyMap<string, string>;
}

/**
 * Metadata in version 10, which kafkajs does not speak: the first one that tells topic ids. It is a "flexible" version: the
 * request's header ends in tagged fields, and so does the answer's; both are written and read here as part of the body.
 *
 * Layout: Apache Kafka protocol, "Metadata API", version 10.
 */
export async function fetchTopicIds(broker: KafkaJsClusterBroker, topics: readonly string[]): Promise<TopicIds> {
  return broker.connectionPool.send({
    request: { apiKey: 3, apiName: 'Metadata', apiVersion: 10, encode: async () => encodeRequest(topics) },
    response: { decode: async (bytes: Buffer) => decodeResponse(bytes), parse: async (answer: TopicIds) => answer },
  });
}

function encodeRequest(topics: readonly string[]): unknown {
  const parts: Buffer[] = [Buffer.from([0]), unsignedVarInt(topics.length + 1)];
  for (const topic of topics) {
    const name = Buffer.from(topic);
    // Asked for by name, so the id is zero; the last byte: no tagged fields.
    parts.push(Buffer.alloc(16), unsignedVarInt(name.length + 1), name, Buffer.from([0]));
  }
  // No automatic creation, no lists of authorized operations, no tagged fields.
  parts.push(Buffer.from([0, 0, 0, 0]));
  return kafkaJsBody(Buffer.concat(parts));
}

function unsignedVarInt(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

function decodeResponse(bytes: Buffer): TopicIds & { readonly clientSideThrottleTime: number } {
  const decoder = kafkaJsBodyReader(bytes);
  decoder.readTaggedFields();
  const clientSideThrottleTime = decoder.readInt32();
  const times = (count: number, read: () => void): void => {
    for (let index = 0; index < count; index += 1) read();
  };
  const list = (read: () => void): void => times(decoder.readUVarInt() - 1, read);
  list(() => {
    decoder.readInt32();
    decoder.readUVarIntString();
    decoder.readInt32();
    decoder.readUVarIntString();
    decoder.readTaggedFields();
  });
  const clusterId = decoder.readUVarIntString() ?? '';
  decoder.readInt32();
  const ids = new Map<string, string>();
  list(() => {
    const errorCode = decoder.readInt16();
    const name = decoder.readUVarIntString() ?? '';
    const id = decoder.readBytes(16)?.toString('hex') ?? '';
    decoder.readBoolean();
    list(() => {
      decoder.readInt16();
      times(3, () => decoder.readInt32());
      times(3, () => list(() => decoder.readInt32()));
      decoder.readTaggedFields();
    });
    decoder.readInt32();
    decoder.readTaggedFields();
    if (errorCode === 0) ids.set(name, id);
  });
  return { clusterId, ids, clientSideThrottleTime };
}
