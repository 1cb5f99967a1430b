import type { AcknowledgeWitness } from './acknowledge-witness.ts';
import { FrameCutter } from './frame-cutter.ts';
import { recordBatchIds } from './record-batch-ids.ts';
import type { Side, Tap } from './tapped-proxy.ts';
import { WireReader } from './wire-reader.ts';

const PRODUCE = 0;
/** The first version with the compact encoding of lengths. */
const FLEXIBLE = 9;
/** From here on topics are named by ids, which is not read here. */
const TOPIC_IDS = 13;
/** The broker has that batch already: it says so instead of appending it again. */
const DUPLICATE_SEQUENCE_NUMBER = 46;

interface Produce {
  readonly version: number;
  /** `topic/partition` and the event ids in it. */
  readonly partitions: ReadonlyMap<string, readonly string[]>;
}

/** Who is told of what Kafka has acknowledged. */
export type ProduceWitness = Pick<AcknowledgeWitness, 'acknowledged' | 'blind'>;

/** What Kafka was sent and what it answered, per partition. */
export interface ProduceSighting {
  readonly partition: string;
  readonly ids: readonly string[];
  /** 0: acknowledged by all in-sync replicas. */
  readonly errorCode: number;
}

/**
 * Reads Produce requests and their responses along the way. A row counts as acknowledged when the response for its partition has
 * passed with no error; a request without `acks=all` counts as a breach, because its response promises nothing.
 *
 * Source: Kafka protocol guide, Produce v3 to v12.
 */
export class ProduceTap implements Tap {
  private readonly witness: ProduceWitness;
  private readonly onSighting: (sighting: ProduceSighting) => void;
  private readonly requests = kafkaFrames();
  private readonly responses = kafkaFrames();
  private readonly inFlight = new Map<number, Produce>();
  private producing = false;

  constructor(witness: ProduceWitness, onSighting: (sighting: ProduceSighting) => void = () => undefined) {
    this.witness = witness;
    this.onSighting = onSighting;
  }

  fromClient(bytes: Buffer): void {
    this.guarded('a request to Kafka', () => this.requests.push(bytes, (frame) => this.onRequest(new WireReader(frame.subarray(4)))));
  }

  fromServer(bytes: Buffer): void {
    this.guarded('an answer of Kafka', () => this.responses.push(bytes, (frame) => this.onResponse(new WireReader(frame.subarray(4)))));
  }

  inMidMessage(side: Side): boolean {
    return (side === 'client' ? this.requests : this.responses).pendingBytes > 0;
  }

  get isOfInterest(): boolean {
    return this.producing;
  }

  private guarded(what: string, read: () => void): void {
    try {
      read();
    } catch (thrown) {
      this.witness.blind(`${what}: ${String(thrown)}`);
    }
  }

  private onRequest(request: WireReader): void {
    if (request.int16() !== PRODUCE) return;
    this.producing = true;
    const version = request.int16();
    if (version < 3 || version >= TOPIC_IDS) throw new Error(`Produce v${version}`);
    const correlationId = request.int32();
    request.nullableString(); // client id
    const flexible = version >= FLEXIBLE;
    if (flexible) request.tags();
    if (flexible) request.compactNullableString();
    else request.nullableString(); // transactional id
    const acks = request.int16();
    if (acks !== -1) this.witness.blind(`a durable answer: records were sent with acks=${acks}`);
    request.int32(); // timeout
    const partitions = new Map<string, readonly string[]>();
    eachPartition(request, flexible, (topic) => {
      const partition = request.int32();
      const records = request.take(flexible ? request.unsignedVarint() - 1 : request.int32());
      partitions.set(`${topic}/${partition}`, recordBatchIds(records));
    });
    if (acks !== 0) this.inFlight.set(correlationId, { version, partitions });
  }

  private onResponse(response: WireReader): void {
    const correlationId = response.int32();
    const produce = this.inFlight.get(correlationId);
    if (produce === undefined) return;
    this.inFlight.delete(correlationId);
    const flexible = produce.version >= FLEXIBLE;
    if (flexible) response.tags();
    eachPartition(response, flexible, (topic) => {
      const partition = `${topic}/${response.int32()}`;
      const errorCode = response.int16();
      response.take(produce.version >= 5 ? 24 : 16); // base offset, append time, log start
      if (produce.version >= 8) skipErrorTexts(response, flexible);
      const ids = produce.partitions.get(partition) ?? [];
      this.onSighting({ partition, ids, errorCode });
      if (errorCode === 0 || errorCode === DUPLICATE_SEQUENCE_NUMBER) this.witness.acknowledged(ids);
    });
  }
}

function kafkaFrames(): FrameCutter {
  return new FrameCutter(4, (head) => 4 + head.readInt32BE(0));
}

/** Topics and their partitions, in the arrays that requests and responses share. */
function eachPartition(reader: WireReader, flexible: boolean, read: (topic: string) => void): void {
  const count = (): number => (flexible ? reader.unsignedVarint() - 1 : reader.int32());
  for (let topics = count(); topics > 0; topics -= 1) {
    const topic = (flexible ? reader.compactNullableString() : reader.nullableString()) ?? '';
    for (let partitions = count(); partitions > 0; partitions -= 1) {
      read(topic);
      if (flexible) reader.tags();
    }
    if (flexible) reader.tags();
  }
}

function skipErrorTexts(reader: WireReader, flexible: boolean): void {
  for (let left = flexible ? reader.unsignedVarint() - 1 : reader.int32(); left > 0; left -= 1) {
    reader.int32();
    if (flexible) reader.compactNullableString();
    else reader.nullableString();
    if (flexible) reader.tags();
  }
  if (flexible) reader.compactNullableString();
  else reader.nullableString();
}
