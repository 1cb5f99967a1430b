import { IncomingHeaders, NULL_VALUE, headersOf, patchedHeaders } from './kafkajs-headers.ts';
import {
  kafkaJsVersion,
  loadKafkaJsInternals,
  type KafkaJsConsumerGroup,
  type KafkaJsDecoder,
  type KafkaJsInternals,
  type KafkaJsRequestQueue,
} from './kafkajs-internals.ts';

/** The one version that the patches were written and tested for. */
export const PATCHED_VERSION = '2.2.4';

export interface PatchReport {
  readonly version: string;
  readonly applied: boolean;
  /** Why not. */
  readonly reason?: string;
}

/** What a consumer's session wants to know of its group's generations; carried by its partition assigner. */
export interface MembershipHooks {
  /** Awaited before a member that has joined once joins again: drain, commit, forget. Must not throw. */
  beforeRejoin(group: KafkaJsConsumerGroup): Promise<void>;
  /** Awaited after the assignment is known and before anything is fetched. A throw ends the session. */
  afterJoin(group: KafkaJsConsumerGroup): Promise<void>;
}

export const MEMBERSHIP = Symbol('membership hooks');

let report: PatchReport | undefined;

/**
 * Repairs, in the running process, what kafkajs 2.2.4 cannot be configured to do. Applied once, and only to exactly that
 * version; another one runs unpatched and the report says so, which the health of the driver shows.
 *
 * 1. Its request queue arms a 1 ms timer for ever on every connection: only when something waits.
 * 2. It re-joins a group without telling anybody first: the hooks are awaited around `joinAndSync`.
 * 3. It folds headers into an object and cannot write a null one: pairs are written unchanged, and what is read stays as the
 *    log holds it until somebody asks.
 * 4. It adds up the time of a record out of a dozen objects: one is enough.
 */
export function applyKafkaJsPatches(): PatchReport {
  report ??= patch();
  return report;
}

function patch(): PatchReport {
  const version = kafkaJsVersion();
  if (version !== PATCHED_VERSION) return { version, applied: false, reason: `written for ${PATCHED_VERSION}` };
  const internals = loadKafkaJsInternals();
  const missing = missingParts(internals);
  if (missing.length > 0) return { version, applied: false, reason: `not found: ${missing.join(', ')}` };
  stopIdleTimer(internals);
  awaitMembershipHooks(internals);
  passHeadersThrough(internals);
  if (!headersSurvive(internals)) throw new Error('kafkajs does not keep headers although it was patched: this is a bug of the adapter');
  return { version, applied: true };
}

function missingParts({ requestQueue, consumerGroup, encoder, decoder, encodeRecord, decodeRecord }: KafkaJsInternals): string[] {
  const parts: readonly (readonly [string, unknown, string])[] = [
    ['RequestQueue', requestQueue.prototype, 'scheduleCheckPendingRequests'],
    ['ConsumerGroup', consumerGroup.prototype, 'joinAndSync'],
    ['Encoder', encoder.prototype, 'writeVarIntBytes'],
    ['Decoder', decoder.prototype, 'readVarIntArray'],
    ['Decoder', decoder.prototype, 'readVarLong'],
    ['Record', { encodeRecord }, 'encodeRecord'],
    ['Record', { decodeRecord }, 'decodeRecord'],
  ];
  return parts
    .filter(([, owner, name]) => typeof Reflect.get(Object(owner), name) !== 'function')
    .map(([owner, , name]) => `${owner}.${name}`);
}

function stopIdleTimer({ requestQueue }: KafkaJsInternals): void {
  requestQueue.prototype.scheduleCheckPendingRequests = function (this: KafkaJsRequestQueue) {
    if (this.throttleCheckTimeoutId !== null) return;
    const throttledForMs = this.throttledUntil - Date.now();
    if (this.pending.length === 0 && throttledForMs <= 0) return;
    this.throttleCheckTimeoutId = setTimeout(
      () => {
        this.throttleCheckTimeoutId = null;
        this.checkPendingRequests();
      },
      throttledForMs > 0 ? throttledForMs : 10,
    );
  };
}

function awaitMembershipHooks({ consumerGroup }: KafkaJsInternals): void {
  const original = consumerGroup.prototype.joinAndSync;
  consumerGroup.prototype.joinAndSync = async function (this: KafkaJsConsumerGroup) {
    const hooks = membershipOf(this);
    if (this.generationId !== null) await hooks?.beforeRejoin(this);
    await original.call(this);
    await hooks?.afterJoin(this);
  };
}

function membershipOf(group: KafkaJsConsumerGroup): MembershipHooks | undefined {
  for (const assigner of group.assigners) {
    if (MEMBERSHIP in assigner) return assigner[MEMBERSHIP] as MembershipHooks;
  }
  return undefined;
}

function passHeadersThrough({ encoder, decoder }: KafkaJsInternals): void {
  const writeVarIntBytes = encoder.prototype.writeVarIntBytes;
  encoder.prototype.writeVarIntBytes = function (value) {
    return value === NULL_VALUE ? this.writeVarInt(-1) : writeVarIntBytes.call(this, value);
  };
  // Used for the headers of a record and for nothing else, and they are the last that its bytes hold.
  decoder.prototype.readVarIntArray = function (this: KafkaJsDecoder) {
    const headers = new IncomingHeaders(this.buffer.subarray(this.offset));
    this.offset = this.buffer.length;
    return headers;
  };
  const readVarLong = decoder.prototype.readVarLong;
  // Used for the time of a record, which the original adds up out of a dozen objects.
  decoder.prototype.readVarLong = function (this: KafkaJsDecoder) {
    const start = this.offset;
    let bits = 0;
    for (let factor = 1; factor < 2 ** 49; factor *= 128) {
      const byte = this.buffer[this.offset] ?? 0;
      this.offset += 1;
      bits += (byte % 128) * factor;
      if (byte < 128) return { value: BigInt(bits % 2 === 0 ? bits / 2 : -(bits + 1) / 2) };
    }
    this.offset = start;
    return readVarLong.call(this);
  };
}

function headersSurvive({ encodeRecord, decodeRecord, decoder: Decoder }: KafkaJsInternals): boolean {
  const headers = patchedHeaders([
    ['b', Buffer.from('1')],
    ['constructor', null],
    ['b', Buffer.alloc(0)],
    ['a', Buffer.from([0xff])],
  ]);
  const encoded = encodeRecord({ key: null, value: null, headers }).buffer;
  const reader = new Decoder(encoded);
  if (reader.readVarInt() !== encoded.length - 1) return false;
  const read = headersOf(decodeRecord(reader, { firstOffset: '0', firstTimestamp: '0' }).headers);
  const shown = read.map(([name, value]) => `${name}=${value === null ? 'null' : Buffer.from(value).toString('hex')}`);
  return shown.join() === 'b=31,constructor=null,b=,a=ff';
}
