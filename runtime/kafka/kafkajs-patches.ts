import type { Offset } from '../../core/offset.ts';
import { OlderFormat, readFetchAnswer, readRecords } from './fetch-answer.ts';
import { NULL_VALUE, patchedHeaders } from './kafkajs-headers.ts';
import {
  kafkaJsVersion,
  loadKafkaJsInternals,
  type KafkaJsConsumerGroup,
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
 * 3. It folds headers into an object and cannot write a null one: pairs are written unchanged.
 * 4. It makes two dozen objects of every record that it reads, folds headers and checks no checksum: answers to Fetch are read
 *    by our own reader (fetch-answer.ts), which leaves records as the log holds them until somebody asks.
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
  readFetchAnswers(internals);
  if (!headersSurvive(internals)) throw new Error('kafkajs does not keep headers although it was patched: this is a bug of the adapter');
  return { version, applied: true };
}

function missingParts({ requestQueue, consumerGroup, encoder, encodeRecord, fetchResponse, codecOf }: KafkaJsInternals): string[] {
  const parts: readonly (readonly [string, unknown, string])[] = [
    ['RequestQueue', requestQueue.prototype, 'scheduleCheckPendingRequests'],
    ['ConsumerGroup', consumerGroup.prototype, 'joinAndSync'],
    ['Encoder', encoder.prototype, 'writeVarIntBytes'],
    ['Record', { encodeRecord }, 'encodeRecord'],
    ['Fetch', fetchResponse, 'decode'],
    ['Compression', { codecOf }, 'codecOf'],
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

function passHeadersThrough({ encoder }: KafkaJsInternals): void {
  const writeVarIntBytes = encoder.prototype.writeVarIntBytes;
  encoder.prototype.writeVarIntBytes = function (value) {
    return value === NULL_VALUE ? this.writeVarInt(-1) : writeVarIntBytes.call(this, value);
  };
}

function readFetchAnswers({ fetchResponse, codecOf }: KafkaJsInternals): void {
  const original = fetchResponse.decode;
  const decompress = async (attributes: number, records: Buffer): Promise<Buffer> => codecOf(attributes)?.decompress(records) ?? records;
  fetchResponse.decode = async (bytes) => {
    try {
      return await readFetchAnswer(bytes, decompress);
    } catch (thrown) {
      if (thrown instanceof OlderFormat) return original(bytes);
      throw thrown;
    }
  };
}

function headersSurvive({ encodeRecord }: KafkaJsInternals): boolean {
  const headers = patchedHeaders([
    ['b', Buffer.from('1')],
    ['constructor', null],
    ['b', Buffer.alloc(0)],
    ['a', Buffer.from([0xff])],
  ]);
  const written = encodeRecord({ key: null, value: null, headers }).buffer;
  const [record, ...others] = readRecords({ ...UNNAMED, bytes: written }, 0n as Offset, 1) ?? [];
  if (record === undefined || others.length > 0) return false;
  const shown = record.headers.map(([name, value]) => `${name}=${value === null ? 'null' : Buffer.from(value).toString('hex')}`);
  return shown.join() === 'b=31,constructor=null,b=,a=ff';
}

const UNNAMED = {
  topic: '',
  partition: 0,
  baseTimestampMs: 0,
  appendedAtMs: undefined,
  producerId: '-1',
  inTransaction: false,
  isControlBatch: false,
};
